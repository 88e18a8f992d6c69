package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/explain"
)

// explainLive explains what the command line names in a cluster.
func (f *explainFlags) explainLive(command *cobra.Command, args []string) ([]explain.Explanation, error) {
	f.kube.overrides.Context.Namespace, f.kube.config = f.offline.Namespace, f.offline.config
	c, err := f.kube.open()
	if err != nil {
		return nil, err
	}
	targets, err := c.targets(command.Context(), args, f.selector)
	if err != nil {
		return nil, err
	}
	settings, err := f.kube.settings(command, c)
	if err != nil {
		return nil, err
	}
	explanations := make([]explain.Explanation, len(targets))
	explainer := explain.Explainer{Reader: c.Reader}
	progress := newProgress(command.ErrOrStderr())
	defer progress.end()
	for i, w := range targets {
		progress.at(i, len(targets), w.String())
		app := c.App(command.Context(), settings, w)
		if explanations[i], err = explainer.Explain(command.Context(), app); err != nil {
			return nil, fmt.Errorf("%s: %w", w, err)
		}
	}
	return explanations, nil
}

// checkRefs refuses names that are none of a workload.
func checkRefs(args []string) error {
	for _, arg := range args {
		if _, err := clusterview.ParseRef("", arg); err != nil {
			return err
		}
	}
	return nil
}

// targets reads what a command line names. That one cannot be read is an
// error: there is nothing to say without it.
func (c *session) targets(ctx context.Context, args []string, selector string) ([]clusterview.Workload, error) {
	if selector != "" {
		return c.selected(ctx, selector)
	}
	var targets []clusterview.Workload
	for _, arg := range args {
		ref, err := clusterview.ParseRef(c.namespace, arg)
		if err != nil {
			return nil, err
		}
		w := c.Workload(ctx, ref)
		switch {
		case w.State == clusterview.NotFound:
			return nil, fmt.Errorf("%s does not exist in namespace %q", ref, c.namespace)
		case w.State != clusterview.Found:
			return nil, fmt.Errorf("cannot read %s: %s", ref, w.Cause)
		case len(w.Value.Template) == 0:
			return nil, fmt.Errorf("%s has no pod template", ref)
		}
		targets = append(targets, w.Value)
	}
	return targets, nil
}

// selected are the workloads with the labels, and the pods that nobody owns.
func (c *session) selected(ctx context.Context, selector string) ([]clusterview.Workload, error) {
	targets, failed := c.Workloads(ctx, c.namespace, selector)
	uninjected := c.BarePods(ctx, c.namespace, selector)
	for _, pod := range uninjected.Value {
		ref, err := clusterview.ParseRef(c.namespace, "pod/"+pod.Metadata.Name)
		if err != nil {
			return nil, err
		}
		if w := c.Workload(ctx, ref); w.State == clusterview.Found {
			targets = append(targets, w.Value)
		}
	}
	if len(targets) > 0 {
		return targets, nil
	}
	for _, f := range failed {
		return nil, fmt.Errorf("cannot list workloads: %s", f.Cause)
	}
	if uninjected.State != clusterview.Found {
		return nil, fmt.Errorf("cannot list pods: %s", uninjected.Cause)
	}
	return nil, fmt.Errorf("nothing in namespace %q has labels %q", c.namespace, selector)
}
