package cmdutil

import (
	"context"
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// CheckRefs refuses names that are none of a workload.
func CheckRefs(args []string) error {
	for _, arg := range args {
		if _, err := clusterview.ParseRef("", arg); err != nil {
			return err
		}
	}
	return nil
}

// Targets reads what a command line names. That one cannot be read is an
// error: there is nothing to say without it.
func (c *Session) Targets(ctx context.Context, args []string, selector string) ([]clusterview.Workload, error) {
	if selector != "" {
		return c.selected(ctx, selector)
	}
	var targets []clusterview.Workload
	for _, arg := range args {
		ref, err := clusterview.ParseRef(c.Namespace, arg)
		if err != nil {
			return nil, err
		}
		w := c.Workload(ctx, ref)
		switch {
		case w.State == clusterview.NotFound:
			return nil, fmt.Errorf("%s does not exist in namespace %q", ref, c.Namespace)
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
func (c *Session) selected(ctx context.Context, selector string) ([]clusterview.Workload, error) {
	targets, failed := c.Workloads(ctx, c.Namespace, selector)
	standalone := c.StandalonePods(ctx, c.Namespace, selector)
	for _, pod := range standalone.Value {
		ref, err := clusterview.ParseRef(c.Namespace, "pod/"+pod.Metadata.Name)
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
	if standalone.State != clusterview.Found {
		return nil, fmt.Errorf("cannot list pods: %s", standalone.Cause)
	}
	return nil, fmt.Errorf("nothing in namespace %q has labels %q", c.Namespace, selector)
}
