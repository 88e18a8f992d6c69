package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/offline"
	"github.com/envgraft/envgraft/internal/terminal"
)

func newInject(streams cmdutil.Streams) *cobra.Command {
	var flags cmdutil.OfflineFlags
	flags.NamesOnce = true
	var format *cmdutil.Choice
	command := &cobra.Command{
		Use:   "inject -f FILE|DIR|-",
		Short: "Do to manifests what the webhook does to pods",
		Long: `Do to manifests what the webhook does to pods, and print them all.
` + cmdutil.OfflineLong + `

A name stands once in a container's env, as server-side apply asks for. So a
literal that shadows an optional key is replaced by it, where the webhook would
keep it for when the key is gone. A literal that gave way to a key becomes the
empty value, so that kubectl apply takes the output, with --server-side or
without, also for objects that were never applied before. What the API server
refuses is denied here too, and never made valid.

Documents that are not concerned come out byte for byte, and of those that are,
every line that does not change. Warnings, and why a
pod was passed through, go to standard error.

Exit code 0: printed. 1: a document was denied or malformed; nothing was
printed. 2: the command line was not understood.`,
		Example: `  # Review what a namespace that opted in would run. The template of a Job cannot
  # change, so kubectl diff refuses Jobs: envgraft diff compares the pods that run
  envgraft inject -f deploy/ --parameters parameters/ | kubectl diff --server-side --force-conflicts -f -
  envgraft diff -f deploy/

  # In a pipeline, where the Namespace is not among the manifests
  kustomize build . | envgraft inject -f - -n popapps \
    --namespace-labels envgraft.dev/inject=enabled,envgraft.dev/system=popapps`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			stream, outcomes, err := flags.GraftAll(command.Context(), streams)
			if err != nil {
				return err
			}
			denied, err := reportAll(streams.Err, outcomes)
			if err != nil {
				return err
			}
			if denied > 0 {
				return fmt.Errorf("denied %d of %d: nothing was printed", denied, len(outcomes))
			}
			if format.Value == "json" {
				var list bytes.Buffer
				if err := stream.WriteJSON(&list); err != nil {
					return err
				}
				_, err := streams.Out.Write(terminal.JSON(list.Bytes()))
				return err
			}
			return stream.WriteYAML(streams.Out)
		},
	}
	flags.Add(command)
	if err := command.MarkFlagRequired("filename"); err != nil {
		panic(err) // the flag was added one line above
	}
	format = cmdutil.AddChoice(command, "output", "o", "format", "yaml", "json")
	return command
}

// reportAll tells people what became of each pod and template.
func reportAll(w io.Writer, outcomes []offline.Outcome) (denied int, err error) {
	for _, o := range outcomes {
		name := offline.Describe(o.Template, o.Namespace)
		for _, warning := range o.Report.Warnings {
			if _, err := terminal.Fprintf(w, "warning: %s: %s\n", name, warning.Message); err != nil {
				return 0, err
			}
		}
		switch o.Report.Status {
		case graft.StatusDenied:
			denied++
			_, err = terminal.Fprintf(w, "denied: %s: %s\n", name, o.Report.Message)
		case graft.StatusSkipped:
			if len(o.Report.Warnings) > 0 {
				continue // they say why
			}
			_, err = terminal.Fprintf(w, "passed through: %s: %s\n", name, o.Report.Message)
		case graft.StatusAudited:
			_, err = terminal.Fprintf(w, "passed through: %s: its namespace is in audit mode; it would be %s\n", name, o.Report.Would)
		case graft.StatusInjected:
		}
		if err != nil {
			return 0, err
		}
	}
	return denied, nil
}
