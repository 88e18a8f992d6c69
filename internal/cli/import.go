package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/migrate"
	"github.com/envgraft/envgraft/internal/offline"
	"github.com/envgraft/envgraft/internal/terminal"
)

// imported is the plan for one workload; -o json prints a list of it.
type imported struct {
	*migrate.Plan

	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Proven    bool   `json:"proven"`
}

type importFlags struct {
	offline offlineFlags
	kube    kubeFlags
	output  *choice
}

func newImport(streams Streams) *cobra.Command {
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
` + offlineLong + `

Exit code 0: printed and proven. 1: an environment would change, or a file cannot
be read. 2: the command line was not understood. 3: it could not look, as without
a cluster.`,
		Example: `  envgraft import deploy/shop > shop.yaml
  envgraft import -f shop/ --parameters parameters/`,
		Args: func(_ *cobra.Command, args []string) error {
			if (len(args) == 1) == (len(flags.offline.Files) > 0) || len(args) > 1 {
				return errors.New("say what to import: KIND/NAME (as deploy/shop), or -f FILE")
			}
			return checkRefs(args)
		},
		RunE: func(command *cobra.Command, args []string) error {
			stream, all, err := flags.plan(command, streams, args)
			if err != nil {
				return err
			}
			return writeImport(streams, flags.output.value, stream, all)
		},
	}
	flags.offline.add(command)
	flags.kube.add(command)
	flags.output = addChoice(command, "output", "o", "format", formatYAML, formatJSON)
	command.ValidArgsFunction = flags.kube.completeWorkloads
	return command
}

// plan makes the plans, and lays those that are proven over the manifests.
func (f *importFlags) plan(command *cobra.Command, streams Streams, args []string) (*manifest.Stream, []imported, error) {
	if len(args) == 1 {
		stream, all, err := f.planLive(command, args[0])
		if err != nil && !errors.Is(err, migrate.ErrNothing) {
			err = unchecked(err)
		}
		return stream, all, err
	}
	c, err := loadConfig(f.offline.config)
	if err != nil {
		return nil, nil, err
	}
	o, err := f.offline.Open(c.Engine(), streams.In, streams.Err)
	if err != nil {
		return nil, nil, err
	}
	defer o.Close()
	var all []imported
	for _, t := range o.Stream.Templates() {
		ns, _ := o.NamespaceOf(t)
		world := worldOf(c)
		if world.ExternalSecrets, err = o.ExternalSecrets(ns.Name); err != nil {
			return nil, nil, err
		}
		world.Keys = o.Keys(command.Context(), ns.Name, world.ExternalSecrets)
		one, err := importOne(t, ns, world)
		if errors.Is(err, migrate.ErrNothing) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", offline.Describe(t, ns.Name), err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, nil, migrate.ErrNothing
	}
	return o.Stream, all, nil
}

func (f *importFlags) planLive(command *cobra.Command, arg string) (*manifest.Stream, []imported, error) {
	f.kube.overrides.Context.Namespace, f.kube.config = f.offline.Namespace, f.offline.config
	c, err := f.kube.open()
	if err != nil {
		return nil, nil, err
	}
	ctx := command.Context()
	targets, err := c.targets(ctx, []string{arg}, "")
	if err != nil {
		return nil, nil, err
	}
	settings, err := f.kube.settings(command, c)
	if err != nil {
		return nil, nil, err
	}
	stream, err := c.manifestOf(ctx, targets[0].Ref)
	if err != nil {
		return nil, nil, err
	}
	app := c.App(ctx, settings, targets[0])
	if app.Namespace.State != clusterview.Found {
		return nil, nil, fmt.Errorf("cannot read namespace %q: %s", targets[0].Namespace, app.Namespace.Cause)
	}
	world := worldOf(settings.Configuration)
	world.ExternalSecrets = c.ExternalSecrets(ctx, targets[0].Namespace).Value.Items
	world.Keys = explain.NewObjects(ctx, c.Reader, app).TrueKeys
	one, err := importOne(stream.Templates()[0], app.Namespace.Value, world)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", targets[0], err)
	}
	for _, right := range c.Missing() {
		one.Notes = append(one.Notes, "not seen: you may not "+right.String())
	}
	return stream, []imported{one}, nil
}

// manifestOf makes a manifest of what the API server has: without what it
// added itself.
func (c *session) manifestOf(ctx context.Context, ref clusterview.Ref) (*manifest.Stream, error) {
	seen := c.Object(ctx, ref)
	if seen.State != clusterview.Found {
		return nil, fmt.Errorf("cannot read %s: %s", ref, seen.Cause)
	}
	object := seen.Value
	delete(object, "status")
	if metadata, ok := object["metadata"].(map[string]any); ok {
		for _, added := range []string{"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"} {
			delete(metadata, added)
		}
		if annotations, ok := metadata["annotations"].(map[string]any); ok {
			delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
			delete(annotations, "deployment.kubernetes.io/revision")
		}
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s as YAML: %w", ref, err)
	}
	documents, err := manifest.Parse(ref.String(), text)
	if err != nil || len(documents) != 1 {
		return nil, fmt.Errorf("cannot read %s back: %w", ref, err)
	}
	return &manifest.Stream{Documents: documents}, nil
}

func worldOf(c *config.Configuration) migrate.World {
	return migrate.World{
		Engine: graft.New(c.Engine()),
		Defaults: func(environment string) migrate.Defaults {
			s := c.ExternalSecretFor(environment)
			return migrate.Defaults{
				Store: s.SecretStore.Kind + "/" + s.SecretStore.Name, RefreshInterval: s.RefreshInterval.String(), DeletionPolicy: s.DeletionPolicy,
			}
		},
	}
}

// importOne plans for one workload, and changes its manifest where that is
// proven to change nothing else.
func importOne(t manifest.Template, ns identity.Namespace, world migrate.World) (imported, error) {
	raw, err := t.JSON()
	if err != nil {
		return imported{}, err
	}
	plan, err := migrate.Make(migrate.Workload{
		Namespace: ns, Kind: t.Kind, LabelCopied: offline.CopiesLabel(t), Name: t.Name, Labels: t.Labels, Annotations: t.Annotations(), Template: raw,
	}, world)
	if err != nil {
		return imported{}, err
	}
	one := imported{Plan: plan, Kind: t.Kind, Namespace: ns.Name, Name: t.Name, Proven: plan.Proven()}
	if !one.Proven {
		return one, nil
	}
	if err := t.Apply(plan.Template); err != nil {
		return one, err
	}
	return one, t.Object.Apply(plan.Object)
}

func writeImport(streams Streams, format string, stream *manifest.Stream, all []imported) error {
	unproven := 0
	for _, one := range all {
		if !one.Proven {
			unproven++
		}
	}
	if format == formatJSON {
		if err := writeValue(streams.Out, format, all); err != nil {
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
func writeImportYAML(streams Streams, stream *manifest.Stream, all []imported, proven bool) error {
	var out bytes.Buffer
	for _, one := range all {
		one.account(&out)
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

func (i imported) account(out *bytes.Buffer) {
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
		i.proofLine(line, p)
	}
}

func (i imported) proofLine(line func(string, ...any), p migrate.Proof) {
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
