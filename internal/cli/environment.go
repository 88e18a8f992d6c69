package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/localenv"
	"github.com/envgraft/envgraft/internal/terminal"
)

// environmentFlags are those of the commands that compute an environment with its
// values.
type environmentFlags struct {
	offline     cmdutil.OfflineFlags
	kube        cmdutil.KubeFlags
	aws         cmdutil.AWSFlags
	environment string
	container   string
	set         []string
}

// environmentLong is the part of the help that these commands share.
const environmentLong = `
The workload is one of the cluster, or with -f the one of the files. The parameter
is read from SSM with your own AWS credentials, or from --parameters; ConfigMaps and
other Secrets from the cluster with your own rights, or from the files. References,
$(NAME) and optional keys are resolved as the kubelet does it. What other webhooks
add is left out: it belongs to the cluster.

Variables that only a running pod has, as its IP address, must be given by --set.`

func (f *environmentFlags) add(command *cobra.Command) {
	f.offline.Add(command)
	f.kube.Add(command)
	f.aws.Add(command)
	flags := command.Flags()
	flags.StringVar(&f.environment, "environment", "", "`name` of the environment, over the namespace's and the pod's label "+api.LabelEnvironment)
	flags.StringVarP(&f.container, "container", "c", "", "`name` of the container; default: the one that kubectl exec would choose")
	flags.StringArrayVar(&f.set, "set", nil, "a variable as `NAME=VALUE`, over that of the container; may be repeated")
	command.ValidArgsFunction = f.kube.CompleteWorkloads
}

// check wants one workload.
func (f *environmentFlags) check(refs []string) error {
	switch {
	case len(refs) > 1:
		return fmt.Errorf("give one workload, not %d", len(refs))
	case len(refs) == 0 && len(f.offline.Files) == 0:
		return errors.New("say of which workload: KIND/NAME (as deploy/shop), or -f FILE")
	}
	if _, err := f.given(); err != nil {
		return err
	}
	return cmdutil.CheckRefs(refs)
}

// given are the variables of --set.
func (f *environmentFlags) given() (map[string]string, error) {
	given := map[string]string{}
	for i, text := range f.set {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--set number %d is not NAME=VALUE", i+1) // it may be a secret
		}
		given[name] = value
	}
	return given, nil
}

// compute returns the environment, and writes to standard error what is to be known
// of it.
func (f *environmentFlags) compute(command *cobra.Command, streams cmdutil.Streams, refs []string) (*localenv.Environment, error) {
	ctx := command.Context()
	values, closeValues, err := f.values()
	if err != nil {
		return nil, err
	}
	defer closeValues()
	pod, err := f.pod(command, streams, refs)
	if err != nil {
		return nil, err
	}
	pod.Parameters = values
	set, err := f.given()
	if err != nil {
		return nil, err
	}
	env, err := pod.Environment(ctx, f.container, set)
	if err != nil {
		return nil, err
	}
	for _, note := range env.Notes {
		_, _ = terminal.Fprintf(streams.Err, "note: %s\n", note) // nothing hangs on it
	}
	return env, nil
}

func (f *environmentFlags) pod(command *cobra.Command, streams cmdutil.Streams, refs []string) (localenv.Pod, error) {
	if len(f.offline.Files) > 0 {
		return f.documented(streams, refs)
	}
	pod, err := f.live(command, refs)
	if err != nil {
		return pod, cmdutil.Unchecked(err)
	}
	return pod, nil
}

// values are read where they are needed first: an app without secrets needs no AWS.
func (f *environmentFlags) values() (facts.ValueReader, func(), error) {
	if f.offline.Parameters == "" {
		return awsValues{&f.aws}, func() {}, nil
	}
	directory, err := facts.OpenDirectory(f.offline.Parameters)
	if err != nil {
		return nil, nil, err
	}
	return directory, func() { _ = directory.Close() }, nil // it was only read
}

// awsValues reads SSM with the credentials of whoever asks.
type awsValues struct{ flags *cmdutil.AWSFlags }

// Value reads one parameter.
func (v awsValues) Value(ctx context.Context, name string) facts.Value {
	ctx, cancel := context.WithTimeout(ctx, cmdutil.AWSTimeout)
	defer cancel()
	client, err := v.flags.Client(ctx)
	if err != nil {
		return facts.Value{Parameter: graft.Parameter{State: graft.ParameterUnreachable, Cause: err.Error()}}
	}
	return facts.SSMValues{Client: client}.Value(ctx, name)
}

// live reads the workload and its objects in the cluster.
func (f *environmentFlags) live(command *cobra.Command, refs []string) (localenv.Pod, error) {
	f.kube.Overrides.Context.Namespace, f.kube.Config = f.offline.Namespace, f.offline.Config
	c, err := f.kube.Open()
	if err != nil {
		return localenv.Pod{}, err
	}
	targets, err := c.Targets(command.Context(), refs, "")
	if err != nil {
		return localenv.Pod{}, err
	}
	settings, err := f.kube.Settings(command, c)
	if err != nil {
		return localenv.Pod{}, err
	}
	return localenv.FromCluster(command.Context(), c.Reader, settings, targets[0], f.environment)
}

// documented takes the workload and its objects from files.
func (f *environmentFlags) documented(streams cmdutil.Streams, refs []string) (localenv.Pod, error) {
	c, err := cmdutil.LoadConfig(f.offline.Config)
	if err != nil {
		return localenv.Pod{}, err
	}
	o, err := f.offline.Open(c.Engine(), streams.In, streams.Err)
	if err != nil {
		return localenv.Pod{}, err
	}
	defer o.Close()
	return localenv.FromDocuments(o, c.Engine(), refs, f.environment)
}
