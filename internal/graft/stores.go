package graft

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// The rule: a store speaks with credentials of its own, so the configuration
// says for which environments' parameters and in which namespaces.

// StoreRule says who may use a store. An empty list means all.
type StoreRule struct {
	Store        Store
	Environments []string
	Namespaces   []string
}

// StoreOf returns the store that an app's parameter is read through: that of
// the annotation, else that of the environment that the parameter is of.
func (e *Engine) StoreOf(d Decision) Store {
	configured, ok := e.config.EnvironmentStores[d.Identity.ParameterEnvironment]
	if !ok {
		configured = e.config.Store
	}
	return cmp.Or(d.Settings.SecretStore, configured)
}

// CheckTenancy says why pods of a Namespace may not have a parameter through a
// store. The controller asks it of what it made before: labels, annotations
// and configuration may have changed since.
func (e *Engine) CheckTenancy(ns identity.Namespace, parameter string, store Store) error {
	environment, err := e.config.Rules.CheckParameter(ns, parameter)
	if err != nil {
		return fmt.Errorf("parameter %q is out of reach: %w", parameter, err)
	}
	return e.checkStore(ns, parameter, environment, store)
}

func (e *Engine) checkStore(ns identity.Namespace, parameter, environment string, store Store) error {
	i := slices.IndexFunc(e.config.StoreRules, func(r StoreRule) bool { return r.Store == store })
	if i < 0 {
		return nil
	}
	rule := e.config.StoreRules[i]
	if len(rule.Environments) > 0 && !slices.Contains(rule.Environments, environment) {
		return fmt.Errorf("store %s is for parameters of the environments %q, and %q is of %q: "+
			"name another with annotation %s, or have an administrator change externalSecrets.stores",
			store, rule.Environments, parameter, environment, api.AnnotationSecretStore)
	}
	if len(rule.Namespaces) > 0 && !slices.Contains(rule.Namespaces, ns.Name) {
		return fmt.Errorf("store %s is for the namespaces %q, not for %q: "+
			"name another with annotation %s, or have an administrator change externalSecrets.stores",
			store, rule.Namespaces, ns.Name, api.AnnotationSecretStore)
	}
	return nil
}
