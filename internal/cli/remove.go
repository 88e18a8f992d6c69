package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/uninstall"
	"github.com/envgraft/envgraft/internal/version"
)

func newRemove(streams cmdutil.Streams) *cobra.Command {
	var flags cmdutil.KubeFlags
	r := uninstall.Remover{Out: streams.Out}
	command := &cobra.Command{
		Use:   "remove",
		Short: "Remove what envgraft wrote to the cluster, before it is uninstalled",
		Long: `Take envgraft out of a cluster: first delete the webhook configuration and the
policies of the standby, so that nothing is written or refused any more, then take
back what stands on Deployments, StatefulSets, DaemonSets and Rollouts. Where one
of another name is left, it would write all of it again, so that is an error.
helm uninstall does the rest.

Without --yes it changes nothing and shows what it would do: a workload that
opted in by its own label has a copy of it in its template, and taking that back
rolls the workload out, without its environment.

What stays: labels and annotations that people set, running pods as they are, and
ExternalSecrets and Secrets, which running pods read. ExternalSecrets go with
their workloads, or by hand.

Exit code 0: done, or shown. 1: something could not be done; run it again. 2: the
command line was not understood.`,
		Example: `  envgraft remove
  envgraft remove --yes && helm uninstall envgraft -n envgraft-system`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			restConfig, err := flags.Loader().ClientConfig()
			if err != nil {
				return fmt.Errorf("cannot read the kubeconfig: %s", cmdutil.OneLine(err))
			}
			if r.Client, err = client.New(clusterview.Prepare(restConfig, version.String()), client.Options{}); err != nil {
				return fmt.Errorf("cannot reach the cluster: %w", err)
			}
			return r.Run(command.Context())
		},
	}
	flags.Add(command)
	command.Flags().StringVar(&r.Webhooks, "webhook-configuration", "envgraft", "`name` of the MutatingWebhookConfiguration, the release's")
	command.Flags().StringVar(&r.Policy, "policy", "envgraft", "`name` of the standby's policies, as envgraft export policy was given")
	command.Flags().BoolVar(&r.Yes, "yes", false, "do it, rather than show it")
	return command
}
