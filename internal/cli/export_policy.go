package cli

import (
	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/policy"
)

func newExportPolicy(streams cmdutil.Streams) *cobra.Command {
	var file, name string
	var excluded []string
	command := &cobra.Command{
		Use:   "policy",
		Short: "Write the part that needs no facts as a MutatingAdmissionPolicy",
		Long: `Write the part that needs no facts as a MutatingAdmissionPolicy: both references
in their order and the annotations, and a ValidatingAdmissionPolicy that refuses
what the webhook refuses. API servers from Kubernetes 1.36 on evaluate them
without envgraft, so that pods get their environment while no replica answers.

No literal is bound to a key by it, and nobody is warned: docs/standby.md says
what it can do and what it cannot.

Exit code 0: printed. 1: the configuration is not valid. 2: the command line was
not understood.`,
		Example: `  # From the configuration that the cluster runs with
  kubectl get configmap envgraft -n envgraft-system -o jsonpath='{.data.config\.yaml}' \
    | envgraft export policy --config /dev/stdin | kubectl apply -f -`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := exportedConfig(file)
			if err != nil {
				return err
			}
			return policy.Write(streams.Out, policy.Options{Name: name, Engine: c.Engine(), ExcludedNamespaces: excluded})
		},
	}
	flags := command.Flags()
	flags.StringVar(&file, "config", "", "configuration `file` of the cluster's envgraft (docs/configuration.md)")
	flags.StringVar(&name, "name", "envgraft", "`name` of the policies")
	flags.StringSliceVar(&excluded, "exclude", []string{"envgraft-system"}, "`namespaces` that are left alone besides the configuration's excludedNamespaces")
	return command
}

// exportedConfig is strict as a server in a cluster is: what it exports decides
// there.
func exportedConfig(file string) (*config.Configuration, error) {
	if file == "" {
		return cmdutil.LoadConfig("")
	}
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	return c, c.Validate(config.ModeCluster)
}
