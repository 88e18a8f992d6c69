package cli

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// The names by which kubectl finds a plugin and its completion, see
// https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/.
const (
	pluginName         = "kubectl-envgraft"
	pluginCompleteName = "kubectl_complete-envgraft"
	pluginCommand      = "kubectl envgraft"
)

// Run runs the program by the name that it was called by: a link to it of the
// plugin's name is the plugin, and one of the completion's name completes.
func Run(ctx context.Context, argv []string, s cmdutil.Streams) int {
	program := strings.TrimSuffix(filepath.Base(argv[0]), ".exe")
	root, args := New(s), argv[1:]
	switch program {
	case pluginName:
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: pluginCommand}
	case pluginCompleteName:
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	}
	return execute(ctx, root, args, s)
}
