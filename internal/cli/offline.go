package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/terminal"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/webhook"
)

// defaultNamespace is where kubectl puts what states no namespace.
const defaultNamespace = "default"

// offlineFlags are those of the commands that work on files.
type offlineFlags struct {
	files           []string
	namespace       string
	parameters      string
	config          string
	namespaceLabels map[string]string
	templatePaths   []string
	// namesOnce is set where manifests come out that people apply.
	namesOnce bool
}

// offlineLong is the part of the help that these commands share.
const offlineLong = `
It reads Pods and the templates of Deployments, StatefulSets, DaemonSets,
ReplicaSets, ReplicationControllers, Jobs, CronJobs, PodTemplates and Argo
Rollouts, also in Lists, and of other kinds by --template-path. Namespaces and
ConfigMaps among the documents are what is known of them; --namespace-labels
stands in for a Namespace that is not there. With --parameters, the file
DIR/popapps/myapp/stage/app.json is the parameter /popapps/myapp/stage/app;
without, parameters count as not checked.`

func (f *offlineFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "`file`, directory (read recursively) or - for standard input; may be repeated")
	flags.StringVarP(&f.namespace, "namespace", "n", "",
		"`name` of the namespace; default: the kubeconfig's, and for objects of files that state none, "+defaultNamespace)
	flags.StringVar(&f.parameters, "parameters", "", "`directory` that stands for SSM")
	flags.StringVar(&f.config, "config", "", "configuration `file` of the cluster's envgraft (docs/configuration.md)")
	flags.StringToStringVar(&f.namespaceLabels, "namespace-labels", nil, "labels, as `key=value,…`, of namespaces that are not among the documents")
	flags.StringArrayVar(&f.templatePaths, "template-path", nil,
		"`KIND=PATH` of pod templates in another kind, as CloneSet=/spec/template or JobSet=/spec/replicatedJobs/*/template/spec/template; may be repeated")
	for _, err := range []error{
		command.MarkFlagDirname("parameters"),
		command.MarkFlagFilename("config", "yaml", "yml"),
	} {
		if err != nil {
			panic(err) // the flags were added above
		}
	}
}

// offline grafts documents by what stands in them and in files.
type offline struct {
	flags      offlineFlags
	engine     *graft.Engine
	known      facts.Static
	parameters webhook.ParameterGetter
}

// outcome is what became of one pod or template.
type outcome struct {
	template  manifest.Template
	namespace string
	known     graft.Facts
	report    graft.Report
	// patched is the pod or template as it is now.
	patched []byte
}

// graftAll reads the stream and grafts all that is in it, in place.
func (f *offlineFlags) graftAll(ctx context.Context, streams Streams) (*manifest.Stream, []outcome, error) {
	c, err := loadConfig(f.config)
	if err != nil {
		return nil, nil, err
	}
	if f.namespace == "" {
		f.namespace = defaultNamespace
	}
	parameters, closeParameters, err := f.openParameters()
	if err != nil {
		return nil, nil, err
	}
	defer closeParameters()
	stream, err := f.read(streams)
	if err != nil {
		return nil, nil, err
	}
	settings := c.Engine()
	settings.NamesOnce = f.namesOnce
	o := offline{flags: *f, engine: graft.New(settings), known: stream.Facts(f.namespace), parameters: parameters}
	o.known.Partial = true // a cluster holds more than the documents at hand
	outcomes, err := o.graft(ctx, stream.Templates())
	return stream, outcomes, err
}

// read reads the manifests, and names on standard error what holds pod templates
// that are not read: the webhook will inject their pods.
func (f *offlineFlags) read(streams Streams) (*manifest.Stream, error) {
	o := manifest.Options{Paths: f.files, Stdin: streams.In, Exclude: f.parameters}
	for _, text := range f.templatePaths {
		path, err := manifest.ParseTemplatePath(text)
		if err != nil {
			return nil, fmt.Errorf("--template-path: %w", err)
		}
		o.TemplatePaths = append(o.TemplatePaths, path)
	}
	stream, err := manifest.Read(o)
	if err != nil {
		return nil, err
	}
	if err := stream.NoObjects(); err != nil {
		return nil, err
	}
	for _, u := range stream.Unread() {
		if _, err := terminal.Fprintf(streams.Err, "not read: %s: %s %s has a pod template, and its pods are injected in the cluster: give --template-path %s\n",
			u.Document.File, u.Kind, u.Name, u.Path); err != nil {
			return nil, err
		}
	}
	return stream, nil
}

func (f *offlineFlags) openParameters() (webhook.ParameterGetter, func(), error) {
	if f.parameters == "" {
		return facts.Unchecked{Cause: "give --parameters"}, func() {}, nil
	}
	return localParameters(f.parameters, everyTime)
}

// loadConfig reads a configuration for work on files.
func loadConfig(path string) (*config.Configuration, error) {
	c := config.Default()
	if path != "" {
		loaded, err := config.Load(path)
		if err != nil {
			return nil, err
		}
		c = loaded
	}
	if err := c.Validate(config.ModeLocal); err != nil {
		return nil, fmt.Errorf("the configuration is not valid:\n%w", err)
	}
	return c, nil
}

func (o offline) graft(ctx context.Context, templates []manifest.Template) ([]outcome, error) {
	outcomes := make([]outcome, len(templates))
	for i, template := range templates {
		out, err := o.graftOne(ctx, template)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", describe(template, out.namespace), err)
		}
		outcomes[i] = out
	}
	return outcomes, nil
}

func (o offline) graftOne(ctx context.Context, template manifest.Template) (outcome, error) {
	ns, found := o.namespaceOf(template)
	out := outcome{template: template, namespace: ns.Name}
	if err := template.Apply(inheritLabel(template)); err != nil {
		return out, err
	}
	raw, err := template.JSON()
	if err != nil {
		return out, err
	}
	subject := o.engine.Inspect(ns, raw)
	if err := refusedByServer(raw); err != nil && subject.Status == graft.StatusInjected {
		// To bind an invalid literal to a key would make the object valid.
		out.report = graft.Report{
			Status: graft.StatusDenied, Reason: graft.ReasonMalformed, Identity: subject.Identity,
			Message: fmt.Sprintf("the API server refuses this pod: %v", err),
		}
		out.patched = raw
		return out, nil
	}
	if template.IsPod() && template.Has("/metadata/uid") {
		return o.running(ctx, out, subject, raw)
	}
	if subject.Status == graft.StatusInjected {
		out.known = o.facts(ctx, subject, ns.Name)
	}
	result := subject.Graft(out.known)
	if err := template.Apply(result.Operations); err != nil {
		return out, err
	}
	out.report = result.Report
	if !found {
		out.report = withoutNamespace(out.report, ns.Name)
	}
	if labelIsLost(template) {
		out.report.Warnings = append(out.report.Warnings, graft.Warning{Reason: warnLabelLost, Message: fmt.Sprintf(
			"label %s=%s of the %s itself does nothing: put it on its pod template", api.LabelInject, template.Labels[api.LabelInject], template.Kind)})
	}
	out.patched, err = template.JSON()
	return out, err
}

// refusedByServer says why an API server cannot read a pod or a template, as for a
// number where a string must stand.
func refusedByServer(raw []byte) error {
	var template corev1.PodTemplateSpec
	return kubejson.Unmarshal(raw, &template)
}

// running reports on a pod that an API server has: what it got when it was
// created is what it has.
func (o offline) running(ctx context.Context, out outcome, subject *graft.Subject, raw []byte) (outcome, error) {
	if subject.Status == graft.StatusInjected {
		out.known = o.facts(ctx, subject, out.namespace)
	}
	out.report = explain.RunningReport(subject, out.template.Has("/metadata/annotations/"+escapedInjected))
	out.patched = raw
	return out, nil
}

// namespaceOf returns the template's Namespace, and whether its labels are known.
func (o offline) namespaceOf(template manifest.Template) (identity.Namespace, bool) {
	name := template.Namespace
	if name == "" {
		name = o.flags.namespace
	}
	if ns, ok := o.known.Namespaces[name]; ok {
		return ns, true
	}
	return identity.Namespace{Name: name, Labels: o.flags.namespaceLabels}, len(o.flags.namespaceLabels) > 0
}

func (o offline) facts(ctx context.Context, subject *graft.Subject, namespace string) graft.Facts {
	known := graft.Facts{NeverSeen: true, ConfigMap: o.known.ConfigMap(ctx, namespace, subject.Identity.ConfigMap)}
	if subject.Settings.Secrets {
		known.Parameter = o.parameters.Parameter(ctx, facts.QuestionOf(namespace, subject.Identity)).Parameter
	}
	return known
}

// inheritLabel gives a workload's label to its template, as the workload
// webhook does. The template's own is nearer, and stays.
func inheritLabel(t manifest.Template) []jsonpatch.Operation {
	value, ok := t.Labels[api.LabelInject]
	if !ok || !copiesLabel(t) || t.Has("/metadata/labels/"+escapedInject) {
		return nil
	}
	labels := map[string]string{api.LabelInject: value}
	switch {
	case t.Has("/metadata/labels"):
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata/labels/"+escapedInject, value)}
	case t.Has("/metadata"):
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata/labels", labels)}
	}
	return []jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata", map[string]any{"labels": labels})}
}

// copiesLabel says that the workload webhook is called for the kind. It is not for
// a CronJob, a Job or a ReplicaSet: a label on their own metadata says nothing.
func copiesLabel(t manifest.Template) bool {
	return workload.KindOf(schema.GroupKind{Group: t.Group, Kind: t.Kind}).Restartable
}

// labelIsLost says that the workload's own label was meant for its pods, and does
// not reach them.
func labelIsLost(t manifest.Template) bool {
	_, ok := t.Labels[api.LabelInject]
	return ok && !t.IsPod() && !copiesLabel(t) && !t.Has("/metadata/labels/"+escapedInject)
}

// warnLabelLost is a warning of the commands alone: no webhook is called for these
// kinds.
const warnLabelLost graft.Reason = "LabelLost"

// escapedInject is the label's key as a token of a JSON pointer.
const escapedInject = api.Group + "~1inject"

// escapedInjected is that of the annotation on injected pods.
const escapedInjected = api.Group + "~1injected"

// withoutNamespace says what could not be known: nothing may depend on labels
// that nobody has seen without a word.
func withoutNamespace(report graft.Report, name string) graft.Report {
	const remedy = "add its Namespace to the documents, or give --namespace-labels "
	switch {
	case report.Reason == graft.ReasonNotOptedIn:
		report.Message = fmt.Sprintf("the labels of namespace %q are not known, and the pod itself did not opt in: %s%s=%s",
			name, remedy, api.LabelInject, api.Enabled)
	case report.Reason == graft.ReasonIdentity:
		report.Message = fmt.Sprintf("%s (the labels of namespace %q are not known: %s%s=…,%s=…)",
			report.Message, name, remedy, api.LabelSystem, api.LabelEnvironment)
	case report.Status == graft.StatusInjected:
		report.Warnings = append(report.Warnings, graft.Warning{Reason: explain.WarnNamespaceUnknown, Message: fmt.Sprintf(
			"the labels of namespace %q are not known, so that system %q is a guess: %s%s=%s",
			name, report.Identity.System, remedy, api.LabelSystem, report.Identity.System)})
	}
	return report
}

// describe names a template for messages.
func describe(t manifest.Template, namespace string) string {
	return fmt.Sprintf("%s: %s %s/%s", t.Document.File, t.Kind, namespace, t.Name)
}
