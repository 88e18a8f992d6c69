// Package cli has envgraft's commands: flags, output and exit codes. Other packages
// do the work.
package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/inspect"
	"github.com/envgraft/envgraft/internal/terminal"
)

// exitInterrupted is for a command that did not end by itself after a signal. It is
// what shells report of a program that SIGINT ended.
const exitInterrupted = 130

// Main runs a command line and returns the program's exit code.
func Main(ctx context.Context, args []string, s cmdutil.Streams) int {
	return execute(ctx, New(s), args, s)
}

func execute(ctx context.Context, root *cobra.Command, args []string, s cmdutil.Streams) int {
	root.SetArgs(args)
	// Cobra checks commands, flags and arguments before this, and runs after it;
	// only required flags would be checked between the two.
	understood := false
	var drains atomic.Bool
	root.PersistentPreRunE = func(command *cobra.Command, _ []string) error {
		_, ok := command.Annotations[cmdutil.AnnotationDrains]
		drains.Store(ok)
		if err := command.ValidateRequiredFlags(); err != nil {
			return err
		}
		understood = true
		return nil
	}
	command, ended, err := untilSignal(ctx, root, &drains)
	if !ended {
		terminal.WriteError(s.Err, "envgraft:", errors.New("interrupted"))
		return exitInterrupted
	}
	if err == nil {
		return cmdutil.ExitOK
	}
	terminal.WriteError(s.Err, "envgraft:", withSuggestion(err))
	if !understood {
		_, _ = terminal.Fprintf(s.Err, "See %s --help\n", command.CommandPath())
		return cmdutil.ExitUsage
	}
	if exit, ok := errors.AsType[*cmdutil.ExitError](err); ok {
		return exit.Code
	}
	return cmdutil.ExitFailed
}

// endWithin is what any other command has to end by itself.
const endWithin = time.Second

// untilSignal runs the command. It does not wait for one that a signal does not
// end, as it hangs in opening a file that nobody writes.
func untilSignal(ctx context.Context, root *cobra.Command, drains *atomic.Bool) (command *cobra.Command, ended bool, err error) {
	type result struct {
		command *cobra.Command
		err     error
	}
	done := make(chan result, 1)
	go func() {
		command, err := root.ExecuteContextC(ctx)
		done <- result{command, err}
	}()
	select {
	case r := <-done:
		return r.command, true, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	for {
		select {
		case r := <-done:
			return r.command, true, r.err
		case <-timer.C:
			if !drains.Load() {
				return nil, false, nil
			}
		}
	}
}

// withSuggestion has what cobra suggests for a name that it does not know on the
// same line.
func withSuggestion(err error) error {
	before, names, found := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	if !found {
		return err
	}
	return fmt.Errorf("%s: did you mean %s?", before, strings.Join(strings.Fields(names), " or "))
}

// New returns the command with all its subcommands.
func New(s cmdutil.Streams) *cobra.Command {
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
		Example: `  # Why does this pod not have its secret?
  envgraft doctor deploy/shop

  # What would happen to my pods, and where does each variable come from?
  envgraft explain -f deploy/ --parameters parameters/

  # Complete commands and flags in this shell
  source <(envgraft completion bash)`,
		SilenceUsage:  true,
		SilenceErrors: true, // Main prints them
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.AddCommand(
		inspect.NewExplain(s), inspect.NewDoctor(s), inspect.NewStatus(s), inspect.NewUI(s), inspect.NewDiff(s),
		newServe(s.Err), newInject(s), newImport(s), newParameters(s), newRun(s), newExport(s), newRemove(s), newVersion(s.Out))
	return root
}
