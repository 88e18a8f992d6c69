package externalsecret

import (
	"regexp"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/envgraft/envgraft/internal/identity"
)

// StoreConditions say which namespaces may use a ClusterSecretStore.
type StoreConditions []StoreCondition

// StoreCondition is one of them.
type StoreCondition struct {
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	Namespaces        []string              `json:"namespaces,omitempty"`
	NamespaceRegexes  []string              `json:"namespaceRegexes,omitempty"`
}

// Open says that a store is open to a namespace, by ESO's rule: one condition that
// matches is enough, and so is none at all. Its regular expressions are unanchored,
// see shouldProcessSecret in
// https://github.com/external-secrets/external-secrets/blob/v0.19.2/pkg/controllers/secretstore/client_manager.go.
func (s StoreConditions) Open(ns identity.Namespace) bool {
	return len(s) == 0 || slices.ContainsFunc(s, func(c StoreCondition) bool { return c.matches(ns) })
}

// ByLabels says that Open goes by labels that are not envgraft's own.
func (s StoreConditions) ByLabels() bool {
	return slices.ContainsFunc(s, func(c StoreCondition) bool { return c.NamespaceSelector != nil })
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
