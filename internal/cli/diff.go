package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/terminal"
)

// podDiff is what a manifest would change for the pods that run.
type podDiff struct {
	Workload  string `json:"workload"`
	Namespace string `json:"namespace"`
	// Pod is the one that was compared; empty where none runs.
	Pod string `json:"pod,omitempty"`
	// Alike are the other pods with the same environment.
	Alike   []string `json:"alike,omitempty"`
	Changes []change `json:"changes"`
	Message string   `json:"message,omitempty"`
}

type diffFlags struct {
	kube   kubeFlags
	files  []string
	output *choice
}

func newDiff(streams Streams) *cobra.Command {
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
				return &exitError{exitUnchecked, err}
			}
			if err := writeDiffs(streams.Out, flags.output.value, diffs); err != nil {
				return err
			}
			if n := countChanges(diffs); n > 0 {
				return fmt.Errorf("%d variables would change", n)
			}
			return nil
		},
	}
	flags.kube.add(command)
	flags.kube.addNamespace(command)
	complete(command, "namespace", flags.kube.completeNamespaces)
	command.Flags().StringArrayVarP(&flags.files, "filename", "f", nil, "`file`, directory (read recursively) or - for standard input; may be repeated")
	if err := command.MarkFlagRequired("filename"); err != nil {
		panic(err) // the flag was added one line above
	}
	flags.output = addChoice(command, "output", "o", "format", formatTable, formatJSON, formatYAML, formatName)
	return command
}

func (f *diffFlags) diff(command *cobra.Command, streams Streams) ([]podDiff, error) {
	c, err := f.kube.open()
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
	settings, err := f.kube.settings(command, c)
	if err != nil {
		return nil, err
	}
	known := stream.Facts(c.namespace)
	diffs := []podDiff{}
	progress := newProgress(streams.Err)
	defer progress.end()
	templates := stream.Templates()
	for i, t := range templates {
		progress.at(i, len(templates), resourceName(t.Kind, t.Name))
		if err := t.Apply(inheritLabel(t)); err != nil {
			return nil, err
		}
		w, err := workloadOf(t, c.namespace)
		if err != nil {
			return nil, err
		}
		files := clusterview.Given{}
		if ns, ok := known.Namespaces[w.Namespace]; ok {
			files.Namespace = &ns
		}
		files.ConfigMaps = stream.ConfigMaps(w.Namespace, c.namespace)
		d, err := c.diffOne(command.Context(), settings, files, w)
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
	ref, err := clusterview.ParseRef(namespace, resourceName(t.Kind, t.Name))
	if err != nil {
		return clusterview.Workload{}, fmt.Errorf("%s: %w", describe(t, namespace), err)
	}
	raw, err := t.JSON()
	return clusterview.Workload{Ref: ref, Template: raw}, err
}

// diffOne compares the pods of one workload, each environment once.
func (c *session) diffOne(ctx context.Context, settings clusterview.Settings, files clusterview.Given, wanted clusterview.Workload) ([]podDiff, error) {
	d := podDiff{Workload: wanted.String(), Namespace: wanted.Namespace, Changes: []change{}}
	have := c.Workload(ctx, wanted.Ref)
	switch have.State {
	case clusterview.Found:
	case clusterview.NotFound:
		d.Message = "it is not in the cluster yet"
		return []podDiff{d}, nil
	default:
		return nil, fmt.Errorf("cannot read %s: %s", wanted, have.Cause)
	}
	next := have.Value
	next.Template = wanted.Template
	app := c.AppWith(ctx, settings, next, files)
	if !app.Decided() {
		d.Message = "the labels of its namespace are not known: " + app.Namespace.Cause
		return []podDiff{d}, nil
	}
	result, patched, err := graftTemplate(app)
	if err != nil {
		return nil, err
	}
	d.Message = unreadNote(app)
	if result.Report.Message != "" {
		d.Message = string(result.Report.Status) + ": " + result.Report.Message
	}
	becomes, err := c.subject(ctx, app, result.Report, patched).containers()
	if err != nil {
		return nil, err
	}
	var diffs []podDiff
	for _, pod := range app.Pods.Value {
		if pod.Ended() {
			continue
		}
		one, err := c.diffPod(ctx, app, pod, becomes, d)
		if err != nil {
			return nil, err
		}
		same := func(other podDiff) bool { return slices.Equal(other.Changes, one.Changes) }
		if at := slices.IndexFunc(diffs, same); at >= 0 {
			diffs[at].Alike = append(diffs[at].Alike, one.Pod)
			continue
		}
		diffs = append(diffs, one)
	}
	if len(diffs) == 0 {
		d.Message = or(d.Message, "no pod of it runs")
		return []podDiff{d}, nil
	}
	return diffs, nil
}

func (c *session) diffPod(ctx context.Context, app *clusterview.App, pod clusterview.Pod, becomes []explainedContainer, d podDiff) (podDiff, error) {
	raw, err := json.Marshal(map[string]any{"spec": pod.Spec})
	if err != nil {
		return d, err
	}
	// The pod has read the cluster's ConfigMap, not the one to come.
	running := *app
	running.ConfigMap = clusterview.Seen[clusterview.ConfigMap]{}
	was, err := c.subject(ctx, &running, runningReport(app.Subject, pod.Injected()), raw).containers()
	if err != nil {
		return d, err
	}
	d.Pod = pod.Metadata.Name
	d.Changes = append([]change{}, slices.DeleteFunc(differences(was, becomes), notSaid(app))...)
	return d, nil
}

func countChanges(diffs []podDiff) int {
	n := 0
	for _, d := range diffs {
		n += len(d.Changes)
	}
	return n
}

func writeDiffs(w io.Writer, format string, diffs []podDiff) error {
	if format == formatName {
		changed := slices.DeleteFunc(slices.Clone(diffs), func(d podDiff) bool { return len(d.Changes) == 0 })
		return writeNames(w, changed, func(d podDiff) string { return d.Workload })
	}
	if format != formatTable {
		return writeValue(w, format, diffs)
	}
	var out bytes.Buffer
	p := newPalette(w)
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
				p.paint(colorRed, "-"), sourceOr(c.Was), p.paint(colorGreen, "+"), sourceOr(c.Becomes))
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
