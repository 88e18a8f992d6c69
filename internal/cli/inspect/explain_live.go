package inspect

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/explain"
)

// explainLive explains what the command line names in a cluster.
func (f *explainFlags) explainLive(command *cobra.Command, args []string) ([]explain.Explanation, error) {
	f.kube.Overrides.Context.Namespace, f.kube.Config = f.offline.Namespace, f.offline.Config
	c, err := f.kube.Open()
	if err != nil {
		return nil, err
	}
	targets, err := c.Targets(command.Context(), args, f.selector)
	if err != nil {
		return nil, err
	}
	settings, err := f.kube.Settings(command, c)
	if err != nil {
		return nil, err
	}
	explanations := make([]explain.Explanation, len(targets))
	explainer := explain.Explainer{Reader: c.Reader}
	progress := output.NewProgress(command.ErrOrStderr())
	defer progress.End()
	for i, w := range targets {
		progress.At(i, len(targets), w.String())
		app := c.App(command.Context(), settings, w)
		if explanations[i], err = explainer.Explain(command.Context(), app); err != nil {
			return nil, fmt.Errorf("%s: %w", w, err)
		}
	}
	return explanations, nil
}
