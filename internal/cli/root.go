// Package cli holds the commands of envgraft: what main calls, and nothing of
// what they do it with.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// exitError ends the program with a code of its own; any other error means 1.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Main runs a command line and returns the program's exit code.
func Main(ctx context.Context, args []string, s Streams) int {
	command := New(s)
	command.SetArgs(args)
	err := command.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(s.Err, "envgraft:", err)
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return 1
}

// New returns the command with all its subcommands.
func New(s Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "envgraft",
		Short: "Give pods their application's environment: SSM over ConfigMap over pod",
		Long: `envgraft grafts an application's environment onto its pods.

The secrets of an app are a parameter of AWS SSM, /{system}/{app}/{environment}/app,
which the External Secrets Operator turns into a Secret; the rest is a ConfigMap.
In a namespace that opted in, pods get both in the right order:

  kubectl label namespace popapps envgraft.dev/inject=enabled

"serve" is what runs in the cluster. The other commands show and prepare, on
your machine and in pipelines, what it will do.`,
		SilenceUsage:  true,
		SilenceErrors: true, // Main prints them
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.AddCommand(newServe(s.Err), newVersion(s.Out))
	return root
}
