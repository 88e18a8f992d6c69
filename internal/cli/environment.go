package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/localenv"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/offline"
	"github.com/envgraft/envgraft/internal/terminal"
)

// environmentFlags are those of the commands that compute an environment with its
// values.
type environmentFlags struct {
	offline     offlineFlags
	kube        kubeFlags
	aws         awsFlags
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
	f.offline.add(command)
	f.kube.add(command)
	f.aws.add(command)
	flags := command.Flags()
	flags.StringVar(&f.environment, "environment", "", "`name` of the environment, over the namespace's and the pod's label "+api.LabelEnvironment)
	flags.StringVarP(&f.container, "container", "c", "", "`name` of the container; default: the one that kubectl exec would choose")
	flags.StringArrayVar(&f.set, "set", nil, "a variable as `NAME=VALUE`, over that of the container; may be repeated")
	command.ValidArgsFunction = f.kube.completeWorkloads
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
	return checkRefs(refs)
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
func (f *environmentFlags) compute(command *cobra.Command, streams Streams, refs []string) (*localenv.Environment, error) {
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

func (f *environmentFlags) pod(command *cobra.Command, streams Streams, refs []string) (localenv.Pod, error) {
	if len(f.offline.Files) > 0 {
		return f.documented(streams, refs)
	}
	pod, err := f.live(command, refs)
	if err != nil {
		return pod, unchecked(err)
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
type awsValues struct{ flags *awsFlags }

// Value reads one parameter.
func (v awsValues) Value(ctx context.Context, name string) facts.Value {
	ctx, cancel := context.WithTimeout(ctx, awsTimeout)
	defer cancel()
	client, err := v.flags.client(ctx)
	if err != nil {
		return facts.Value{Parameter: graft.Parameter{State: graft.ParameterUnreachable, Cause: err.Error()}}
	}
	return facts.SSMValues{Client: client}.Value(ctx, name)
}

// live reads the workload and its objects in the cluster.
func (f *environmentFlags) live(command *cobra.Command, refs []string) (localenv.Pod, error) {
	f.kube.overrides.Context.Namespace, f.kube.config = f.offline.Namespace, f.offline.config
	c, err := f.kube.open()
	if err != nil {
		return localenv.Pod{}, err
	}
	targets, err := c.targets(command.Context(), refs, "")
	if err != nil {
		return localenv.Pod{}, err
	}
	settings, err := f.kube.settings(command, c)
	if err != nil {
		return localenv.Pod{}, err
	}
	w, ns := targets[0], c.Namespace(command.Context(), targets[0].Namespace)
	if ns.State != clusterview.Found {
		return localenv.Pod{}, fmt.Errorf("cannot read namespace %q, whose labels choose the parameter: %s", w.Namespace, cmp.Or(ns.Cause, string(ns.State)))
	}
	pod, err := f.decide(settings.Configuration.Engine(), ns.Value, w.Template)
	if err != nil {
		return pod, err
	}
	app := c.App(command.Context(), settings, w)
	pod.Injected = w.Kind.IsPod() && len(app.Pods.Value) == 1 && app.Pods.Value[0].Injected()
	pod.NeverSeen = f.environment == "" && neverSeen(app)
	pod.Objects = clusterObjects{c, w.Namespace}
	return pod, nil
}

// neverSeen is what the webhook knows by the ExternalSecret that it holds: nothing in
// the cluster ever had to do with the parameter.
func neverSeen(app *clusterview.App) bool {
	if app.ExternalSecrets.State != clusterview.Found || app.Secret.State != clusterview.NotFound {
		return false
	}
	e := app.ExternalSecret
	record, _ := app.Record()
	return e == nil || record.Version == 0 && e.Managed && e.Status.RefreshTime.IsZero()
}

// documented takes the workload and its objects from files.
func (f *environmentFlags) documented(streams Streams, refs []string) (localenv.Pod, error) {
	c, err := loadConfig(f.offline.config)
	if err != nil {
		return localenv.Pod{}, err
	}
	o, err := f.offline.Open(c.Engine(), streams.In, streams.Err)
	if err != nil {
		return localenv.Pod{}, err
	}
	defer o.Close()
	template, err := f.chosen(o.Stream, refs)
	if err != nil {
		return localenv.Pod{}, err
	}
	ns, known := o.NamespaceOf(template)
	if err := template.Apply(offline.InheritLabel(template)); err != nil {
		return localenv.Pod{}, err
	}
	raw, err := template.JSON()
	if err != nil {
		return localenv.Pod{}, err
	}
	pod, err := f.decide(c.Engine(), ns, raw)
	if err != nil {
		return pod, err
	}
	if !known && pod.Subject.Reason == graft.ReasonNotOptedIn {
		// Without a word the command would run without its secrets.
		report := offline.WithoutNamespace(graft.Report{Reason: pod.Subject.Reason}, ns.Name)
		return pod, fmt.Errorf("%s: %s", offline.Describe(template, ns.Name), report.Message)
	}
	pod.NeverSeen = true
	pod.Objects = fileObjects{o.Stream.ConfigMaps(ns.Name, f.offline.Namespace), o.Stream.Secrets(ns.Name, f.offline.Namespace)}
	return pod, nil
}

// chosen is the template that is named, or the only one.
func (f *environmentFlags) chosen(stream *manifest.Stream, refs []string) (manifest.Template, error) {
	var found []manifest.Template
	var names []string
	for _, t := range stream.Templates() {
		name := resourceName(t.Kind, t.Name)
		if len(refs) > 0 {
			ref, err := clusterview.ParseRef("", refs[0])
			if err != nil || ref.String() != name {
				names = append(names, name)
				continue
			}
		}
		found, names = append(found, t), append(names, name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(names) == 0:
		return manifest.Template{}, errors.New("the files hold no pod and no pod template")
	case len(refs) > 0:
		return manifest.Template{}, fmt.Errorf("the files hold %s %d times, want once: they have %s", refs[0], len(found), strings.Join(names, ", "))
	}
	slices.Sort(names)
	return manifest.Template{}, fmt.Errorf("the files hold several workloads: name one of %s", strings.Join(names, ", "))
}

// decide has the engine decide, in the environment that was asked for.
func (f *environmentFlags) decide(settings graft.Config, ns identity.Namespace, raw []byte) (localenv.Pod, error) {
	if f.environment != "" {
		ns = ns.In(f.environment)
		changed, err := localenv.WithEnvironment(raw, api.LabelEnvironment, f.environment)
		if err != nil {
			return localenv.Pod{}, fmt.Errorf("cannot read the pod template: %w", err)
		}
		raw = changed
	}
	return localenv.Pod{Namespace: ns.Name, Raw: raw, Subject: graft.New(settings).Inspect(ns, raw)}, nil
}

// clusterObjects reads with the rights of whoever asks.
type clusterObjects struct {
	*session

	namespace string
}

// ConfigMap reads one.
func (o clusterObjects) ConfigMap(ctx context.Context, name string) (map[string]string, bool, error) {
	seen := o.session.ConfigMap(ctx, o.namespace, name)
	return read(seen.Value.Data, seen.State, seen.Cause, "ConfigMap", o.namespace, name)
}

// Secret reads one.
func (o clusterObjects) Secret(ctx context.Context, name string) (map[string]string, bool, error) {
	seen := clusterview.SecretValues(ctx, o.Reader, o.namespace, name)
	return read(seen.Value, seen.State, seen.Cause, "Secret", o.namespace, name)
}

func read(data map[string]string, state clusterview.State, cause, kind, namespace, name string) (map[string]string, bool, error) {
	switch state {
	case clusterview.Found:
		return data, true, nil
	case clusterview.NotFound:
		return nil, false, nil
	case clusterview.Unasked, clusterview.Forbidden, clusterview.Failed:
	}
	return nil, false, fmt.Errorf("cannot read %s %s/%s: %s", kind, namespace, name, cmp.Or(cause, string(state)))
}

// fileObjects are those among the documents.
type fileObjects struct{ configMaps, secrets map[string]map[string]string }

// ConfigMap returns one.
func (o fileObjects) ConfigMap(_ context.Context, name string) (map[string]string, bool, error) {
	data, found := o.configMaps[name]
	return data, found, nil
}

// Secret returns one.
func (o fileObjects) Secret(_ context.Context, name string) (map[string]string, bool, error) {
	data, found := o.secrets[name]
	return data, found, nil
}
