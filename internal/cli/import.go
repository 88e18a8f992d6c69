package cli

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/importer"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/migrate"
	"github.com/envgraft/envgraft/internal/terminal"
)

type importFlags struct {
	offline cmdutil.OfflineFlags
	kube    cmdutil.KubeFlags
	format  *cmdutil.Choice
}

func newImport(streams cmdutil.Streams) *cobra.Command {
	var flags importFlags
	command := &cobra.Command{
		Use:   "import KIND/NAME | -f FILE|DIR|-",
		Short: "Turn a workload that is wired by hand into one that envgraft wires",
		Long: `Read a workload that is wired by hand (envFrom, an ExternalSecret and Reloader's
annotations of its own), and print the manifest without the wiring, with the
labels and annotations that replace it, and a proof that each container's
effective environment is the same before and after. It changes nothing itself.

What cannot be the same is listed, and no manifest is printed: a ConfigMap that
wins over the Secret today, say. Where the keys of an object are not known, the
proof holds for whatever they are. No value of a Secret is ever printed.
` + cmdutil.OfflineLong + `

Exit code 0: printed and proven. 1: an environment would change, or a file cannot
be read. 2: the command line was not understood. 3: it could not look, as without
a cluster.`,
		Example: `  envgraft import deploy/shop > shop.yaml
  envgraft import -f shop/ --parameters parameters/`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == (len(flags.offline.Files) > 0) || len(args) > 1 {
				return errors.New("say what to import: KIND/NAME (as deploy/shop), or -f FILE")
			}
			return cmdutil.CheckRefs(args)
		},
		RunE: func(command *cobra.Command, args []string) error {
			stream, all, err := flags.plan(command, streams, args)
			if err != nil {
				return err
			}
			return writeImport(streams, flags.format.Value, stream, all)
		},
	}
	flags.offline.Add(command)
	flags.kube.Add(command)
	flags.format = cmdutil.AddChoice(command, "output", "o", "format", output.YAML, output.JSON)
	command.ValidArgsFunction = flags.kube.CompleteWorkloads
	return command
}

// plan makes the plans, and lays those that are proven over the manifests.
func (f *importFlags) plan(command *cobra.Command, streams cmdutil.Streams, args []string) (*manifest.Stream, []importer.Import, error) {
	if len(args) == 1 {
		stream, all, err := f.planLive(command, args[0])
		if err != nil && !errors.Is(err, migrate.ErrNothing) {
			err = cmdutil.Unchecked(err)
		}
		return stream, all, err
	}
	c, err := cmdutil.LoadConfig(f.offline.Config)
	if err != nil {
		return nil, nil, err
	}
	o, err := f.offline.Open(c.Engine(), streams.In, streams.Err)
	if err != nil {
		return nil, nil, err
	}
	defer o.Close()
	all, err := importer.FromDocuments(command.Context(), o, c)
	return o.Stream, all, err
}

func (f *importFlags) planLive(command *cobra.Command, arg string) (*manifest.Stream, []importer.Import, error) {
	f.kube.Overrides.Context.Namespace, f.kube.Config = f.offline.Namespace, f.offline.Config
	c, err := f.kube.Open()
	if err != nil {
		return nil, nil, err
	}
	ctx := command.Context()
	targets, err := c.Targets(ctx, []string{arg}, "")
	if err != nil {
		return nil, nil, err
	}
	settings, err := f.kube.Settings(command, c)
	if err != nil {
		return nil, nil, err
	}
	return importer.FromCluster(ctx, c.Reader, settings, targets[0])
}

func writeImport(streams cmdutil.Streams, format string, stream *manifest.Stream, all []importer.Import) error {
	unproven := 0
	for _, one := range all {
		if !one.Proven {
			unproven++
		}
	}
	if format == output.JSON {
		if err := output.WriteValue(streams.Out, format, all); err != nil {
			return err
		}
	} else if err := writeImportYAML(streams, stream, all, unproven == 0); err != nil {
		return err
	}
	if unproven > 0 {
		return fmt.Errorf("the environment of %d of %d workloads would change: no manifest was printed", unproven, len(all))
	}
	return nil
}

// writeImportYAML writes the account as comments in front of the manifests, so
// that both go through a pipe; without proof the account alone, to standard error.
func writeImportYAML(streams cmdutil.Streams, stream *manifest.Stream, all []importer.Import, proven bool) error {
	var out bytes.Buffer
	for _, one := range all {
		writeAccount(&out, one)
	}
	if !proven {
		_, err := streams.Err.Write(out.Bytes())
		return err
	}
	if _, err := streams.Out.Write(out.Bytes()); err != nil {
		return err
	}
	return stream.WriteYAML(streams.Out)
}

// writeAccount writes what the import changes, and its proof, as comments.
func writeAccount(out *bytes.Buffer, i importer.Import) {
	line := func(format string, arguments ...any) {
		// What a foreign name holds of line ends (YAML has more than two) or control
		// characters would end the comment or make the document unreadable.
		terminal.Appendf(out, "# %s\n", fmt.Sprintf(format, arguments...))
	}
	line("%s %s/%s: app %s, parameter %s", i.Kind, i.Namespace, i.Name, i.Identity.App, i.Identity.Parameter)
	for _, place := range []struct {
		what   string
		values map[string]string
	}{{"label of the workload", i.Labels}, {"label of the pod template", i.TemplateLabels}, {"annotation of the pod template", i.Annotations}} {
		for _, key := range slices.Sorted(maps.Keys(place.values)) {
			line("  + %s %s: %q", place.what, key, place.values[key])
		}
	}
	for _, removed := range i.Removed {
		line("  - %s", removed)
	}
	for _, note := range i.Notes {
		line("  note: %s", note)
	}
	for _, p := range i.Proof {
		writeProof(line, p)
	}
}

func writeProof(line func(string, ...any), p migrate.Proof) {
	kind := "container"
	if p.Init {
		kind = "init container"
	}
	text := fmt.Sprintf("  proof: %s %s: %d variables are the same before and after", kind, p.Container, p.Variables)
	if len(p.Assumed) > 0 {
		text += ", whatever the keys of " + strings.Join(p.Assumed, ", ") + " are"
	}
	if len(p.Changes) > 0 {
		text = fmt.Sprintf("  %s %s would change:", kind, p.Container)
	}
	line("%s", text)
	for _, c := range p.Changes {
		line("    %s: %s becomes %s", c.Name, c.Was, c.Becomes)
	}
}
