package offline

import (
	"context"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
	kubejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/terminal"
	"github.com/envgraft/envgraft/webhook"
)

// DefaultNamespace is where kubectl puts what states no namespace.
const DefaultNamespace = "default"

// Options say which documents are read, and what stands for what they lack.
type Options struct {
	// Files are files, directories, or - for standard input.
	Files []string
	// Namespace is that of documents that state none.
	Namespace string
	// Parameters is a directory that stands for SSM; empty for none.
	Parameters string
	// NamespaceLabels are those of namespaces that are not among the documents.
	NamespaceLabels map[string]string
	// TemplatePaths are pod templates of further kinds, as KIND=PATH.
	TemplatePaths []string
	// NamesOnce is set where manifests come out that people apply: see graft.Config.
	NamesOnce bool
}

// Documents grafts documents by what stands in them and in files.
type Documents struct {
	Stream     *manifest.Stream
	options    Options
	engine     *graft.Engine
	known      facts.Static
	parameters webhook.ParameterGetter
	// Close ends the use of parameters.
	Close func()
}

// Outcome is what became of one pod or template.
type Outcome struct {
	Template  manifest.Template
	Namespace string
	known     graft.Facts
	Report    graft.Report
	// patched is the pod or template as it is now.
	patched []byte
}

// Open reads the documents, and what stands for the rest of the cluster.
func (f *Options) Open(settings graft.Config, stdin io.Reader, stderr io.Writer) (*Documents, error) {
	if f.Namespace == "" {
		f.Namespace = DefaultNamespace
	}
	stream, err := f.read(stdin, stderr)
	if err != nil {
		return nil, err
	}
	parameters, closeParameters, err := f.openParameters()
	if err != nil {
		return nil, err
	}
	settings.NamesOnce = f.NamesOnce
	o := &Documents{Stream: stream, options: *f, engine: graft.New(settings), known: stream.Facts(f.Namespace), parameters: parameters, Close: closeParameters}
	o.known.Partial = true // a cluster holds more than the documents at hand
	return o, nil
}

// read reads the manifests, and names on standard error what holds pod templates
// that are not read: the webhook will inject their pods.
func (f *Options) read(stdin io.Reader, stderr io.Writer) (*manifest.Stream, error) {
	o := manifest.Options{Paths: f.Files, Stdin: stdin, Exclude: f.Parameters}
	for _, text := range f.TemplatePaths {
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
		if _, err := terminal.Fprintf(stderr, "not read: %s: %s %s has a pod template, and its pods are injected in the cluster: give --template-path %s\n",
			u.Document.File, u.Kind, u.Name, u.Path); err != nil {
			return nil, err
		}
	}
	return stream, nil
}

func (f *Options) openParameters() (webhook.ParameterGetter, func(), error) {
	if f.Parameters == "" {
		return facts.Unchecked{Cause: "give --parameters"}, func() {}, nil
	}
	directory, err := facts.OpenDirectory(f.Parameters)
	if err != nil {
		return nil, nil, err
	}
	return facts.Direct{Source: directory}, func() { _ = directory.Close() }, nil // it was only read
}

// Graft grafts all templates, in place.
func (o *Documents) Graft(ctx context.Context) ([]Outcome, error) {
	templates := o.Stream.Templates()
	outcomes := make([]Outcome, len(templates))
	for i, template := range templates {
		out, err := o.graftOne(ctx, template)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", Describe(template, out.Namespace), err)
		}
		outcomes[i] = out
	}
	return outcomes, nil
}

func (o *Documents) graftOne(ctx context.Context, template manifest.Template) (Outcome, error) {
	ns, found := o.NamespaceOf(template)
	out := Outcome{Template: template, Namespace: ns.Name}
	if err := template.Apply(InheritLabel(template)); err != nil {
		return out, err
	}
	raw, err := template.JSON()
	if err != nil {
		return out, err
	}
	subject := o.engine.Inspect(ns, raw)
	if err := refusedByServer(raw); err != nil && subject.Status == graft.StatusInjected {
		// To bind an invalid literal to a key would make the object valid.
		out.Report = graft.Report{
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
	out.Report = result.Report
	if !found {
		out.Report = WithoutNamespace(out.Report, ns.Name)
	}
	if labelIsLost(template) {
		out.Report.Warnings = append(out.Report.Warnings, graft.Warning{Reason: warnLabelLost, Message: fmt.Sprintf(
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
func (o *Documents) running(ctx context.Context, out Outcome, subject *graft.Subject, raw []byte) (Outcome, error) {
	if subject.Status == graft.StatusInjected {
		out.known = o.facts(ctx, subject, out.Namespace)
	}
	out.Report = explain.RunningReport(subject, out.Template.Has("/metadata/annotations/"+escapedInjected))
	out.patched = raw
	return out, nil
}

// ConfigMaps are the values of those of a namespace, by name and key.
func (o *Documents) ConfigMaps(namespace string) map[string]map[string]string {
	return o.Stream.ConfigMaps(namespace, o.options.Namespace)
}

// Secrets are the values of those of a namespace, by name and key.
func (o *Documents) Secrets(namespace string) map[string]map[string]string {
	return o.Stream.Secrets(namespace, o.options.Namespace)
}

// NamespaceOf returns the template's Namespace, and whether its labels are known.
func (o *Documents) NamespaceOf(template manifest.Template) (identity.Namespace, bool) {
	name := template.Namespace
	if name == "" {
		name = o.options.Namespace
	}
	if ns, ok := o.known.Namespaces[name]; ok {
		return ns, true
	}
	return identity.Namespace{Name: name, Labels: o.options.NamespaceLabels}, len(o.options.NamespaceLabels) > 0
}

func (o *Documents) facts(ctx context.Context, subject *graft.Subject, namespace string) graft.Facts {
	known := graft.Facts{NeverSeen: true, ConfigMap: o.known.ConfigMap(ctx, namespace, subject.Identity.ConfigMap)}
	if subject.Settings.Secrets {
		known.Parameter = o.parameters.Parameter(ctx, facts.QuestionOf(namespace, subject.Identity)).Parameter
	}
	return known
}

// WithoutNamespace says what could not be known: nothing may depend on labels
// that nobody has seen without a word.
func WithoutNamespace(report graft.Report, name string) graft.Report {
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

// Describe names a template for messages.
func Describe(t manifest.Template, namespace string) string {
	return fmt.Sprintf("%s: %s %s/%s", t.Document.File, t.Kind, namespace, t.Name)
}
