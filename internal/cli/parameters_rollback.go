package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/parameters"
	"github.com/envgraft/envgraft/internal/terminal"
)

func newParametersRollback(streams cmdutil.Streams) *cobra.Command {
	var flags cmdutil.AWSFlags
	var to int64
	var yes bool
	command := &cobra.Command{
		Use:   "rollback PATH --to VERSION",
		Short: "Put the value of an older version as a new version",
		Long: `Put the value of an older version of a parameter as a new version. Without --yes it
only shows which keys would be added, removed or changed. No value is printed, and
no version is lost: SSM's history keeps 100.

envgraft sees the new version as it sees any rotation.

It needs ssm:GetParameterHistory, ssm:GetParameter and kms:Decrypt, and with --yes
ssm:PutParameter and kms:Encrypt.`,
		Example: `  envgraft parameters history /popapps/myapp/prod/app
  envgraft parameters rollback /popapps/myapp/prod/app --to 7

  # Do it
  envgraft parameters rollback /popapps/myapp/prod/app --to 7 --yes`,
		Args:              onePath,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, paths []string) error {
			client, err := flags.Client(command.Context())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(command.Context(), cmdutil.AWSTimeout)
			defer cancel()
			return rollBack(ctx, streams, client, paths[0], to, yes)
		},
	}
	command.Flags().Int64Var(&to, "to", 0, "`version` whose value is to come back")
	command.Flags().BoolVar(&yes, "yes", false, "put the version, instead of only showing what would change")
	flags.Add(command)
	if err := command.MarkFlagRequired("to"); err != nil {
		panic(err) // the flag was added above
	}
	return command
}

func rollBack(ctx context.Context, streams cmdutil.Streams, client parameters.Restorer, path string, to int64, yes bool) error {
	plan, err := parameters.PlanRollback(ctx, client, path, to)
	if err != nil {
		return err
	}
	if _, err := terminal.Fprintf(streams.Out, "%s: version %d back to version %d\n", path, plan.From, plan.To); err != nil {
		return err
	}
	for _, row := range []struct {
		what string
		keys []string
	}{{"adds", plan.Added}, {"removes", plan.Removed}, {"changes", plan.Changed}} {
		if len(row.keys) == 0 {
			continue
		}
		if _, err := terminal.Fprintf(streams.Out, "  %-8s %s\n", row.what, strings.Join(row.keys, ", ")); err != nil {
			return err
		}
	}
	if !yes {
		_, err := terminal.Fprintf(streams.Out, "nothing was changed: give --yes to put it\n")
		return err
	}
	version, err := plan.Do(ctx, client)
	if err != nil {
		return err
	}
	_, err = terminal.Fprintf(streams.Out, "version %d has the value of version %d\n", version, plan.To)
	return err
}
