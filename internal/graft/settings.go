package graft

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// Store names an ESO store.
type Store struct {
	// Kind is "ClusterSecretStore" or "SecretStore".
	Kind string
	Name string
}

// The kinds of stores that ESO knows.
const (
	KindClusterSecretStore = "ClusterSecretStore"
	KindSecretStore        = "SecretStore"
)

// String writes a store as the annotation takes it.
func (s Store) String() string { return s.Kind + "/" + s.Name }

// The deletion policies that envgraft hands to ESO.
const (
	DeletionPolicyDelete = "Delete"
	DeletionPolicyRetain = "Retain"
)

// Settings are what a pod template's annotations ask for.
type Settings struct {
	// Secrets is false where the app has no parameter.
	Secrets           bool
	SecretOptional    bool
	ConfigMapRequired bool
	// Containers limits the graft to these; nil means all.
	Containers Names
	// Keep are env names whose pod value stays on top.
	Keep Names
	// RefreshInterval, DeletionPolicy and SecretStore are for the
	// ExternalSecret; zero values mean the configuration's.
	RefreshInterval time.Duration
	DeletionPolicy  string
	SecretStore     Store
}

// Names is a set of names.
type Names map[string]struct{}

// Has says that the name is in the set.
func (n Names) Has(name string) bool {
	_, ok := n[name]
	return ok
}

// parseSettings reads the annotations. A value that cannot be understood is
// an error that names it: falling back silently would run an app with an
// environment that its author did not ask for.
func (e *Engine) parseSettings(annotations map[string]string) (Settings, error) {
	s := Settings{Secrets: true}
	for _, key := range []struct {
		name  string
		parse func(string) error
	}{
		{api.AnnotationSecrets, func(v string) (err error) {
			s.Secrets, err = identity.ParseSwitch("annotation "+api.AnnotationSecrets, v)
			return err
		}},
		{api.AnnotationSecretOptional, parseTrue(api.AnnotationSecretOptional, &s.SecretOptional)},
		{api.AnnotationConfigMapRequired, parseTrue(api.AnnotationConfigMapRequired, &s.ConfigMapRequired)},
		{api.AnnotationContainers, parseList(api.AnnotationContainers, "container names", &s.Containers)},
		{api.AnnotationKeep, parseList(api.AnnotationKeep, "env names", &s.Keep)},
		{api.AnnotationRefreshInterval, func(v string) error { return e.parseRefreshInterval(v, &s.RefreshInterval) }},
		{api.AnnotationDeletionPolicy, s.parseDeletionPolicy},
		{api.AnnotationSecretStore, func(v string) error { return e.parseStore(v, &s.SecretStore) }},
	} {
		value, ok := annotations[key.name]
		if !ok {
			continue
		}
		if err := key.parse(value); err != nil {
			return Settings{}, err
		}
	}
	return s, nil
}

func parseTrue(key string, to *bool) func(string) error {
	return func(value string) error {
		switch value {
		case "true":
			*to = true
		case "false":
			*to = false
		default:
			return fmt.Errorf("annotation %s is %q: use \"true\" or \"false\"", key, cut(value))
		}
		return nil
	}
}

// parseList reads a comma separated list. Its length is bounded: every name is
// looked up while the API server waits, and a name that the pod does not have
// need not be listed.
func parseList(key, of string, to *Names) func(string) error {
	return func(value string) error {
		*to = Names{}
		entries := 0
		for part := range strings.SplitSeq(value, ",") {
			name := strings.TrimSpace(part)
			if name == "" {
				return fmt.Errorf("annotation %s is %q: use %s, comma separated", key, cut(value), of)
			}
			if entries++; entries > MaxListEntries {
				return fmt.Errorf("annotation %s lists more than %d %s: list only those that the pod has", key, MaxListEntries, of)
			}
			(*to)[name] = struct{}{}
		}
		return nil
	}
}

// parseRefreshInterval keeps one annotation from spending the SSM calls of a
// whole account.
func (e *Engine) parseRefreshInterval(value string, to *time.Duration) error {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 || d < e.config.MinRefreshInterval {
		return fmt.Errorf("annotation %s is %q: use a duration of at least %s (externalSecrets.minRefreshInterval), as in \"5m\"",
			api.AnnotationRefreshInterval, cut(value), e.config.MinRefreshInterval)
	}
	*to = d
	return nil
}

func (s *Settings) parseDeletionPolicy(value string) error {
	if value != DeletionPolicyDelete && value != DeletionPolicyRetain {
		return fmt.Errorf("annotation %s is %q: use %q or %q",
			api.AnnotationDeletionPolicy, cut(value), DeletionPolicyDelete, DeletionPolicyRetain)
	}
	s.DeletionPolicy = value
	return nil
}

// parseStore reads "NAME" (a ClusterSecretStore), "ClusterSecretStore/NAME" or
// "SecretStore/NAME". A cluster's store speaks with the cluster's credentials,
// so a pod's author may only name those that the configuration lists.
func (e *Engine) parseStore(value string, to *Store) error {
	kind, name, found := strings.Cut(value, "/")
	if !found {
		kind, name = KindClusterSecretStore, value
	}
	if (kind != KindClusterSecretStore && kind != KindSecretStore) || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return fmt.Errorf("annotation %s is %q: use \"NAME\", \"%s/NAME\" or \"%s/NAME\"",
			api.AnnotationSecretStore, cut(value), KindClusterSecretStore, KindSecretStore)
	}
	if kind == KindClusterSecretStore && !slices.Contains(e.config.ClusterStores, name) {
		return fmt.Errorf("annotation %s is %q, but the ClusterSecretStores open to annotations are %q: "+
			"use one of them, a SecretStore of the namespace, or have an administrator add it to externalSecrets.allowedStores",
			api.AnnotationSecretStore, value, e.config.ClusterStores)
	}
	*to = Store{Kind: kind, Name: name}
	return nil
}
