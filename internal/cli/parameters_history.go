package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/parameters"
	"github.com/envgraft/envgraft/internal/terminal"
)

func newParametersHistory(streams cmdutil.Streams) *cobra.Command {
	var flags cmdutil.AWSFlags
	var format *cmdutil.Choice
	command := &cobra.Command{
		Use:   "history PATH",
		Short: "List the versions of a parameter",
		Long: `List the versions that SSM has of a parameter, the newest first: when each was put,
and who changed it. SSM keeps 100. No value is read.

It needs ssm:GetParameterHistory.`,
		Example: `  envgraft parameters history /popapps/myapp/prod/app

  # The version before the newest
  envgraft parameters history /popapps/myapp/prod/app -o json | jq '.[1].version'`,
		Args:              onePath,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, paths []string) error {
			client, err := flags.Client(command.Context())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(command.Context(), cmdutil.AWSTimeout)
			defer cancel()
			versions, err := parameters.History(ctx, client, paths[0])
			if err != nil {
				return err
			}
			if format.Value == output.JSON {
				return output.WriteValue(streams.Out, output.JSON, versions)
			}
			return writeVersions(streams, versions)
		},
	}
	format = cmdutil.AddChoice(command, "output", "o", "format", "table", "json")
	flags.Add(command)
	return command
}

// onePath takes a parameter's name.
func onePath(command *cobra.Command, args []string) error {
	if err := cobra.ExactArgs(1)(command, args); err != nil {
		return err
	}
	return identity.ValidateParameter(args[0])
}

func writeVersions(streams cmdutil.Streams, versions []parameters.Version) error {
	rows := tabwriter.NewWriter(streams.Out, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(rows, "VERSION\tMODIFIED\tLABELS\tBY\n")
	for _, v := range versions {
		labels := "-"
		if len(v.Labels) > 0 {
			labels = strings.Join(v.Labels, ",")
		}
		_, _ = terminal.Fprintf(rows, "%d\t%s\t%s\t%s\n", v.Number, v.Modified.Format(time.RFC3339), labels, v.By)
	}
	if err := rows.Flush(); err != nil {
		return fmt.Errorf("cannot write the versions: %w", err)
	}
	return nil
}
