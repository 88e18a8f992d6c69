package localenv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/offline"
)

// FromDocuments returns the pod or pod template of the documents that is named, or the
// only one, as FromCluster does.
func FromDocuments(o *offline.Documents, settings graft.Config, refs []string, environment string) (Pod, error) {
	template, err := chosen(o.Stream, refs)
	if err != nil {
		return Pod{}, err
	}
	ns, known := o.NamespaceOf(template)
	if err := template.Apply(offline.InheritLabel(template)); err != nil {
		return Pod{}, err
	}
	raw, err := template.JSON()
	if err != nil {
		return Pod{}, err
	}
	pod, err := decide(settings, ns, raw, environment)
	if err != nil {
		return pod, err
	}
	if !known && pod.Subject.Reason == graft.ReasonNotOptedIn {
		// Without a word the command would run without its secrets.
		report := offline.WithoutNamespace(graft.Report{Reason: pod.Subject.Reason}, ns.Name)
		return pod, fmt.Errorf("%s: %s", offline.Describe(template, ns.Name), report.Message)
	}
	pod.NeverSeen = true
	pod.Objects = fileObjects{o.ConfigMaps(ns.Name), o.Secrets(ns.Name)}
	return pod, nil
}

// chosen is the template that is named, or the only one.
func chosen(stream *manifest.Stream, refs []string) (manifest.Template, error) {
	var found []manifest.Template
	var names []string
	for _, t := range stream.Templates() {
		name := clusterview.ResourceName(t.Kind, t.Name)
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
func decide(settings graft.Config, ns identity.Namespace, raw []byte, environment string) (Pod, error) {
	if environment != "" {
		ns = ns.In(environment)
		changed, err := withEnvironment(raw, api.LabelEnvironment, environment)
		if err != nil {
			return Pod{}, fmt.Errorf("cannot read the pod template: %w", err)
		}
		raw = changed
	}
	return Pod{Namespace: ns.Name, Raw: raw, Subject: graft.New(settings).Inspect(ns, raw)}, nil
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
