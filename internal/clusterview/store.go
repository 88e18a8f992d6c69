package clusterview

import (
	"context"
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/envgraft/envgraft/internal/identity"
)

// Store is a SecretStore or ClusterSecretStore.
type Store struct {
	Spec struct {
		Conditions []StoreCondition `json:"conditions"`
		Provider   struct {
			AWS *struct {
				Service string `json:"service"`
				Region  string `json:"region"`
				Role    string `json:"role"`
				Prefix  string `json:"prefix"`
			} `json:"aws"`
		} `json:"provider"`
	} `json:"spec"`
	Status struct {
		Conditions []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// StoreCondition says which namespaces may use a ClusterSecretStore.
type StoreCondition struct {
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector"`
	Namespaces        []string              `json:"namespaces"`
	NamespaceRegexes  []string              `json:"namespaceRegexes"`
}

// Store reads one. ESO's version is that of its ExternalSecrets.
func (r *Reader) Store(ctx context.Context, namespace, version string, ref StoreRef) Seen[Store] {
	k := Kind{Kind: ref.kind(), Group: esoGroup, Version: version, Resource: "secretstores"}
	if k.Kind == "ClusterSecretStore" {
		k.Resource, k.cluster = "clustersecretstores", true
	}
	return get[Store](ctx, r, k, namespace, ref.Name, whole)
}

// NotReady returns ESO's words about a store that is not; "" for one that is,
// or of which ESO has said nothing.
func (s Store) NotReady() string {
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" && c.Status != metav1.ConditionTrue {
			return c.Reason + ": " + c.Message
		}
	}
	return ""
}

// Opens says that the store is open to a namespace, by ESO's rule: one
// condition that matches is enough, and so is none at all. Its regular
// expressions are unanchored, see shouldProcessSecret in
// https://github.com/external-secrets/external-secrets/blob/v0.19.2/pkg/controllers/secretstore/client_manager.go.
func (s Store) Opens(ns identity.Namespace) bool {
	if len(s.Spec.Conditions) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Spec.Conditions, func(c StoreCondition) bool { return c.matches(ns) })
}

func (c StoreCondition) matches(ns identity.Namespace) bool {
	if slices.Contains(c.Namespaces, ns.Name) {
		return true
	}
	if c.NamespaceSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(c.NamespaceSelector)
		if err == nil && selector.Matches(labels.Set(ns.Labels)) {
			return true
		}
	}
	return slices.ContainsFunc(c.NamespaceRegexes, func(expression string) bool {
		compiled, err := regexp.Compile(expression)
		return err == nil && compiled.MatchString(ns.Name)
	})
}
