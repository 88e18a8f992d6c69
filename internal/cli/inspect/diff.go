package inspect

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/offline"
	"github.com/envgraft/envgraft/internal/terminal"
)

type diffFlags struct {
	kube   cmdutil.KubeFlags
	files  []string
	format *cmdutil.Choice
}

// NewDiff returns the command.
func NewDiff(streams cmdutil.Streams) *cobra.Command {
	var flags diffFlags
	command := &cobra.Command{
		Use:   "diff -f FILE|DIR|-",
		Short: "Show what manifests would change in the environment of the pods that run",
		Long: `Show for each workload of the manifests where the variables of its next pods
would come from, against those of the pods that run. Labels of the Namespace, the
ConfigMap and the parameter's keys are those of the cluster, read with your
rights; a Namespace or ConfigMap among the manifests goes before the cluster's.
No value of a Secret is ever printed. -o name prints the workloads that change.

Exit code 0: nothing would change. 1: something would. 2: the command line was not
understood. 3: it could not look, as without a cluster.`,
		Example: `  kustomize build . | envgraft diff -f -`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			diffs, err := flags.diff(command, streams)
			if err != nil {
				return cmdutil.Unchecked(err)
			}
			if err := writeDiffs(streams.Out, flags.format.Value, diffs); err != nil {
				return err
			}
			if n := countChanges(diffs); n > 0 {
				return fmt.Errorf("%d variables would change", n)
			}
			return nil
		},
	}
	flags.kube.Add(command)
	flags.kube.AddNamespace(command)
	cmdutil.Complete(command, "namespace", flags.kube.CompleteNamespaces)
	command.Flags().StringArrayVarP(&flags.files, "filename", "f", nil, "`file`, directory (read recursively) or - for standard input; may be repeated")
	if err := command.MarkFlagRequired("filename"); err != nil {
		panic(err) // the flag was added one line above
	}
	flags.format = cmdutil.AddChoice(command, "output", "o", "format", output.Table, output.JSON, output.YAML, output.Name)
	return command
}

func (f *diffFlags) diff(command *cobra.Command, streams cmdutil.Streams) ([]explain.PodDiff, error) {
	c, err := f.kube.Open()
	if err != nil {
		return nil, err
	}
	stream, err := manifest.Read(manifest.Options{Paths: f.files, Stdin: streams.In})
	if err == nil {
		err = stream.NoObjects()
	}
	if err != nil {
		return nil, err
	}
	settings, err := f.kube.Settings(command, c)
	if err != nil {
		return nil, err
	}
	known := stream.Facts(c.Namespace)
	diffs := []explain.PodDiff{}
	progress := output.NewProgress(streams.Err)
	defer progress.End()
	templates := stream.Templates()
	for i, t := range templates {
		progress.At(i, len(templates), clusterview.ResourceName(t.Kind, t.Name))
		if err := t.Apply(offline.InheritLabel(t)); err != nil {
			return nil, err
		}
		w, err := workloadOf(t, c.Namespace)
		if err != nil {
			return nil, err
		}
		files := clusterview.Given{}
		if ns, ok := known.Namespaces[w.Namespace]; ok {
			files.Namespace = &ns
		}
		files.ConfigMaps = stream.ConfigMaps(w.Namespace, c.Namespace)
		d, err := explain.Explainer{Reader: c.Reader}.Diff(command.Context(), settings, files, w)
		if err != nil {
			return nil, err
		}
		diffs = append(diffs, d...)
	}
	return diffs, nil
}

// workloadOf is a manifest's workload, with the selector of the cluster's to
// come: a manifest may lack one.
func workloadOf(t manifest.Template, namespace string) (clusterview.Workload, error) {
	if t.Namespace != "" {
		namespace = t.Namespace
	}
	ref, err := clusterview.ParseRef(namespace, clusterview.ResourceName(t.Kind, t.Name))
	if err != nil {
		return clusterview.Workload{}, fmt.Errorf("%s: %w", offline.Describe(t, namespace), err)
	}
	raw, err := t.JSON()
	return clusterview.Workload{Ref: ref, Template: raw}, err
}

func countChanges(diffs []explain.PodDiff) int {
	n := 0
	for _, d := range diffs {
		n += len(d.Changes)
	}
	return n
}

func writeDiffs(w io.Writer, format string, diffs []explain.PodDiff) error {
	if format == output.Name {
		changed := slices.DeleteFunc(slices.Clone(diffs), func(d explain.PodDiff) bool { return len(d.Changes) == 0 })
		return output.WriteNames(w, changed, func(d explain.PodDiff) string { return d.Workload })
	}
	if format != output.Table {
		return output.WriteValue(w, format, diffs)
	}
	var out bytes.Buffer
	p := output.NewPalette(w)
	for _, d := range diffs {
		terminal.Appendf(&out, "%s in namespace %s", d.Workload, d.Namespace)
		if d.Pod != "" {
			terminal.Appendf(&out, ", pod %s", d.Pod)
		}
		if len(d.Alike) > 0 {
			terminal.Appendf(&out, " and %d like it", len(d.Alike))
		}
		if d.Message != "" {
			terminal.Appendf(&out, ": %s", d.Message)
		}
		out.WriteByte('\n')
		for _, c := range d.Changes {
			terminal.Appendf(&out, "  container %s: %s\n    %s %s\n    %s %s\n", c.Container, c.Name,
				p.Paint(output.Red, "-"), explain.SourceOr(c.Was), p.Paint(output.Green, "+"), explain.SourceOr(c.Becomes))
		}
		if len(d.Changes) == 0 && d.Pod != "" {
			out.WriteString("  nothing changes\n")
		}
	}
	if len(diffs) == 0 {
		out.WriteString("No pods and no pod templates found.\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}
