package inspect

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/offline"
)

// explainFlags are the command's.
type explainFlags struct {
	offline  cmdutil.OfflineFlags
	kube     cmdutil.KubeFlags
	selector string
	format   *cmdutil.Choice
}

// NewExplain returns the command.
func NewExplain(streams cmdutil.Streams) *cobra.Command {
	var flags explainFlags
	command := &cobra.Command{
		Use:   "explain KIND/NAME | -l SELECTOR | -f FILE|DIR|-",
		Short: "Show where each variable of a pod comes from",
		Long: `Show for each pod who it is, what the webhook does to it and why, and where each
variable of its containers comes from: the parameter, the ConfigMap or the pod
itself, and what is shadowed by it. No value of a Secret is ever printed.

Of a workload in the cluster it shows what its next pod gets, which version the
parameter has, when ESO last synced it, and which pods run with older data; of a
pod, what it got. It has the API server admit the next pod in a dry run, and marks
what another webhook or policy added or changed. It reads with your rights, and
lists those that are missing. Kinds are deploy, sts, ds, rollout, cj, job, rs and
pod.

With -f it needs no cluster.
` + cmdutil.OfflineLong + `

Exit code 0: explained, denied pods too. 1: a file is malformed or cannot be read.
2: the command line was not understood. 3: it could not look, as without a
cluster, or for a workload that does not exist.`,
		Example: `  envgraft explain deploy/shop
  envgraft explain -n shop -l app.kubernetes.io/name=shop -o wide
  envgraft explain -f deploy/ --parameters parameters/

  # Which variables does SSM give to the app?
  envgraft explain deploy/shop -o json |
    jq -r '.[].containers[].env[] | select(.tier == "parameter").name'`,
		Args: func(_ *cobra.Command, args []string) error { return flags.validate(args) },
		RunE: func(command *cobra.Command, args []string) error {
			explanations, err := flags.explain(command, streams, args)
			if err != nil {
				return err
			}
			return writeExplanations(streams.Out, flags.format.Value, explanations)
		},
	}
	flags.offline.Add(command)
	flags.kube.Add(command)
	command.Flags().StringVarP(&flags.selector, "selector", "l", "", "workloads and pods with these `labels`, as app.kubernetes.io/name=shop")
	flags.format = cmdutil.AddChoice(command, "output", "o", "format", output.Formats()...)
	command.ValidArgsFunction = flags.kube.CompleteWorkloads
	return command
}

// validate wants one way of saying what to explain.
func (f *explainFlags) validate(args []string) error {
	ways := len(args)
	for _, given := range []bool{len(f.offline.Files) > 0, f.selector != ""} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("say what to explain: KIND/NAME (as deploy/shop), -l SELECTOR, or -f FILE")
	}
	return cmdutil.CheckRefs(args)
}

func (f *explainFlags) explain(command *cobra.Command, streams cmdutil.Streams, args []string) ([]explain.Explanation, error) {
	if len(f.offline.Files) == 0 {
		explanations, err := f.explainLive(command, args)
		if err != nil {
			return nil, cmdutil.Unchecked(err)
		}
		return explanations, nil
	}
	stream, outcomes, err := f.offline.GraftAll(command.Context(), streams)
	if err != nil {
		return nil, err
	}
	return offline.ExplainAll(command.Context(), stream.Facts(f.offline.Namespace), outcomes)
}

func writeExplanations(w io.Writer, format string, explanations []explain.Explanation) error {
	switch format {
	case output.JSON, output.YAML:
		return output.WriteValue(w, format, explanations)
	case output.Name:
		return output.WriteNames(w, explanations, func(e explain.Explanation) string { return clusterview.ResourceName(e.Kind, e.Name) })
	}
	return writeTable(w, explanations, output.NewPalette(w), format == output.Wide)
}
