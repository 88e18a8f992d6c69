package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/parameters"
	"github.com/envgraft/envgraft/internal/terminal"
)

func newParameters(streams cmdutil.Streams) *cobra.Command {
	command := &cobra.Command{
		Use:   "parameters",
		Short: "Create and check the SSM parameters that hold apps' secrets",
		Long: `Create and check the SSM parameters that hold apps' secrets. AWS settings and
credentials are those of the standard chain: AWS_REGION, AWS_PROFILE, a role and
so on. No value is ever printed.`,
	}
	command.AddCommand(newParametersInit(streams), newParametersCheck(streams), newParametersHistory(streams), newParametersRollback(streams))
	return command
}

// initFlags are those of parameters init.
type initFlags struct {
	cmdutil.AWSFlags
	parameters.InitOptions
	config       string
	system, app  string
	environments []string
}

func newParametersInit(streams cmdutil.Streams) *cobra.Command {
	var flags initFlags
	command := &cobra.Command{
		Use:   "init --system SYSTEM --app APP --environments ENVIRONMENT,…",
		Short: "Create placeholders for an app's parameters",
		Long: `Create a SecureString that holds {} for each environment of an app, where none
exists yet. What exists is never overwritten. Pods start without their Secret as
long as the placeholder is empty, and are restarted once it has keys.

It needs ssm:PutParameter (with --tags ssm:AddTagsToResource, with --kms-key-id
kms:Encrypt of that key, with --dry-run only ssm:GetParameter).

Exit code 0: all exist now. 1: one could not be created. 2: the command line was
not understood.`,
		Example: `  envgraft parameters init --system popapps --app myapp --environments stage,prod

  # In the pipeline that creates an app's repository
  envgraft parameters init --system popapps --app myapp --environments stage,prod \
    --kms-key-id alias/popapps --tags team=pop,managed-by=pipeline`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			paths, err := flags.paths()
			if err != nil {
				return err
			}
			client, err := flags.Client(command.Context())
			if err != nil {
				return err
			}
			return initAll(command.Context(), streams, client, paths, flags.InitOptions)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.system, "system", "", "`name` of the system, as the Namespace's label envgraft.dev/system or its name says")
	f.StringVar(&flags.app, "app", "", "`name` of the app, as the pods' label app.kubernetes.io/name says")
	f.StringSliceVar(&flags.environments, "environments", nil, "`names` of environments, comma separated")
	f.StringVar(&flags.KeyID, "kms-key-id", "", "KMS `key` to encrypt with; default: the account's alias/aws/ssm")
	f.StringToStringVar(&flags.Tags, "tags", nil, "tags of what is created, as `key=value,…`")
	f.BoolVar(&flags.DryRun, "dry-run", false, "say what would be created")
	f.StringVar(&flags.config, "config", "", "configuration `file` of the cluster's envgraft, for names.parameter")
	flags.Add(command)
	for _, name := range []string{"system", "app", "environments"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err) // the flags were added above
		}
	}
	return command
}

// paths names all parameters before any is created.
func (f *initFlags) paths() ([]string, error) {
	c, err := cmdutil.LoadConfig(f.config)
	if err != nil {
		return nil, err
	}
	names := c.Engine().Rules.Names
	paths := make([]string, len(f.environments))
	for i, environment := range f.environments {
		if paths[i], err = parameters.Path(names, f.system, f.app, environment); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// initAll goes on after a failure: a pipeline that is run again does the rest
// anyway, and says everything that is wrong at once.
func initAll(ctx context.Context, streams cmdutil.Streams, client parameters.Creator, paths []string, o parameters.InitOptions) error {
	var errs []error
	for _, path := range paths {
		ctx, cancel := context.WithTimeout(ctx, cmdutil.AWSTimeout)
		action, err := parameters.Init(ctx, client, path, o)
		cancel()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if _, err := terminal.Fprintf(streams.Out, "%-12s  %s\n", action, path); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}
