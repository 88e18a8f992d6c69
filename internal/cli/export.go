package cli

import (
	"bytes"
	"errors"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/localenv"
)

func newExport(streams cmdutil.Streams) *cobra.Command {
	var flags environmentFlags
	var show bool
	var format *cmdutil.Choice
	command := &cobra.Command{
		Use:   "export [KIND/NAME | -f FILE|DIR]",
		Short: "Write the environment of a workload's container, values included",
		Long: `Write the environment that a container of the workload gets, with the values of its
Secrets, for tools that read it from a file. envgraft run gives it to a command
without writing it anywhere.

It refuses to write to a terminal, unless --show-values is given.
` + environmentLong + `

It needs the same rights as envgraft run.

Exit code 0: written. 1: the environment lacks something, or the format cannot hold
a variable. 2: the command line was not understood. 3: the cluster could not be
asked.`,
		Example: `  docker run --env-file <(envgraft export deploy/shop --format docker) shop

  # Without a cluster and without AWS
  envgraft export -f deploy/ --parameters parameters/ --format json | jq keys`,
		Args: func(_ *cobra.Command, args []string) error { return flags.check(args) },
		RunE: func(command *cobra.Command, args []string) error {
			if output.IsTerminal(streams.Out) && !show {
				return errors.New("standard output is a terminal, and the values are secret: write to a file or a pipe, or give --show-values")
			}
			env, err := flags.compute(command, streams, args)
			if err != nil {
				return err
			}
			var out bytes.Buffer
			if err := localenv.Write(&out, localenv.Format(format.Value), env.Variables); err != nil {
				return err
			}
			_, err = streams.Out.Write(out.Bytes())
			return err
		},
	}
	flags.add(command)
	format = cmdutil.AddChoice(command, "format", "", "format", string(localenv.Dotenv), string(localenv.JSON), string(localenv.Shell), string(localenv.Docker))
	command.Flags().BoolVar(&show, "show-values", false, "write to a terminal, too")
	command.AddCommand(newExportPolicy(streams))
	return command
}
