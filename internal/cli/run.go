package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

func newRun(streams cmdutil.Streams) *cobra.Command {
	var flags environmentFlags
	var inherit []string
	command := &cobra.Command{
		Use:   "run [KIND/NAME | -f FILE|DIR] -- COMMAND [ARGUMENT…]",
		Short: "Run a command with the environment of a workload's container",
		Long: `Run a command with exactly the environment that a container of the workload gets.
No value is printed or written to a file. Of your own environment the command gets
` + strings.Join(inherited(), ", ") + `,
and what --inherit names; the container's variables come first.
` + environmentLong + `

It needs ssm:GetParameter and kms:Decrypt, and in the cluster the right to get the
workload, its Namespace, and the ConfigMaps and Secrets that it refers to.

Exit code: that of the command. 1: the environment lacks something, or the command
could not be started. 2: the command line was not understood. 3: the cluster could
not be asked.`,
		Example: `  # The program on your machine, with the configuration of stage
  envgraft run deploy/shop -- go run ./cmd/shop

  # Without a cluster and without AWS
  envgraft run -f deploy/ --parameters parameters/ --set POD_IP=127.0.0.1 -- npm start`,
		Args: func(command *cobra.Command, args []string) error {
			dash := command.ArgsLenAtDash()
			if dash < 0 || dash == len(args) {
				return errors.New("say what to run, after --")
			}
			return flags.check(args[:dash])
		},
		RunE: func(command *cobra.Command, args []string) error {
			dash := command.ArgsLenAtDash()
			program, err := exec.LookPath(args[dash])
			if err != nil {
				return fmt.Errorf("cannot run %s: %w", args[dash], err)
			}
			env, err := flags.compute(command, streams, args[:dash])
			if err != nil {
				return err
			}
			return replaceProcess(program, args[dash:], environ(inherit, env.Variables))
		},
	}
	flags.add(command)
	command.Flags().StringSliceVar(&inherit, "inherit", nil, "further `names` of variables of your own that the command gets, as AWS_PROFILE; * for all")
	return command
}

// inherited are the variables without which commands do not run well anywhere.
func inherited() []string {
	return []string{"PATH", "HOME", "USER", "SHELL", "TERM", "LANG", "TZ", "TMPDIR"}
}

// environ is the environment of the command: the container's variables, and below
// them the caller's own that may be seen.
func environ(inherit []string, container map[string]string) []string {
	all := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if slices.Contains(inherited(), name) || slices.Contains(inherit, name) || slices.Contains(inherit, "*") {
			all[name] = value
		}
	}
	maps.Copy(all, container)
	out := make([]string, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, name+"="+all[name])
	}
	return out
}

// replaceProcess has the command take this process over, so that signals and the
// exit code are its own. It returns only where that failed.
func replaceProcess(program string, args, environment []string) error {
	if runtime.GOOS != "windows" {
		return fmt.Errorf("cannot run %s: %w", program, syscall.Exec(program, args, environment)) //nolint:gosec // the user's own command
	}
	// Windows cannot replace a process. A console sends its signals to all of its
	// processes.
	child := exec.Command(program, args[1:]...) //nolint:gosec,noctx // likewise, and it ends by itself
	child.Env, child.Stdin, child.Stdout, child.Stderr = environment, os.Stdin, os.Stdout, os.Stderr
	err := child.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(exit.ExitCode())
	}
	return err
}
