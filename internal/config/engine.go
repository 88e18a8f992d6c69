package config

import (
	"slices"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// Engine returns the part of the configuration that the engine goes by.
func (c *Configuration) Engine() graft.Config {
	return graft.Config{
		Rules: identity.Rules{
			Tenancy:            c.Tenancy.Mode,
			RequireSystemLabel: c.Tenancy.RequireSystemLabel,
			Environment:        c.Environment,
			KnownEnvironments:  c.environments(),
			Names:              c.Names.templates(),
		},
		MissingParameter:   c.MissingParameter,
		InvalidParameter:   c.InvalidParameter,
		UnknownParameter:   c.UnknownParameter,
		SkipContainers:     slices.Clone(c.SkipContainers),
		ExcludedNamespaces: slices.Clone(c.ExcludedNamespaces),
		ClusterStores:      c.ExternalSecrets.clusterStores(),
		Store:              c.ExternalSecrets.SecretStore.store(),
		EnvironmentStores:  c.ExternalSecrets.environmentStores(),
		StoreRules:         c.ExternalSecrets.storeRules(),
		MinRefreshInterval: c.ExternalSecrets.MinRefreshInterval,
		Reload:             c.Reload.Enabled,
		RolloutStrategy:    c.Reload.RolloutStrategy,
	}
}

// environments returns all that the configuration speaks of.
func (c *Configuration) environments() []string {
	all := []string{c.Environment}
	for _, override := range c.ExternalSecrets.Overrides {
		all = append(all, override.Environment)
	}
	for _, binding := range c.ExternalSecrets.Stores {
		all = append(all, binding.Environments...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s SecretStore) store() graft.Store { return graft.Store{Kind: s.Kind, Name: s.Name} }

func (e ExternalSecrets) environmentStores() map[string]graft.Store {
	stores := map[string]graft.Store{}
	for _, override := range e.Overrides {
		stores[override.Environment] = override.apply(e.ExternalSecretSettings).SecretStore.store()
	}
	return stores
}

// storeRules returns the bindings that are written down, and those that follow:
// a ClusterSecretStore that stands in overrides alone is for their environments.
func (e ExternalSecrets) storeRules() []graft.StoreRule {
	var rules []graft.StoreRule
	for _, binding := range e.Stores {
		rules = append(rules, graft.StoreRule{Store: binding.store(), Environments: binding.Environments, Namespaces: binding.Namespaces})
	}
	implied := map[graft.Store]int{}
	for _, override := range e.Overrides {
		store := override.apply(e.ExternalSecretSettings).SecretStore.store()
		i, ok := implied[store]
		switch {
		case ok:
			rules[i].Environments = append(rules[i].Environments, override.Environment)
		case store.Kind == graft.KindClusterSecretStore && !e.opened(store):
			implied[store] = len(rules)
			rules = append(rules, graft.StoreRule{Store: store, Environments: []string{override.Environment}})
		}
	}
	return rules
}

// opened says that something besides the overrides decides about a store.
func (e ExternalSecrets) opened(store graft.Store) bool {
	return store == e.SecretStore.store() || slices.Contains(e.AllowedStores, store.Name) ||
		slices.ContainsFunc(e.Stores, func(b StoreBinding) bool { return b.store() == store })
}

func (n Names) templates() identity.Names {
	return identity.Names{
		Parameter:      identity.Template(n.Parameter),
		ConfigMap:      identity.Template(n.ConfigMap),
		Secret:         identity.Template(n.Secret),
		ExternalSecret: identity.Template(n.ExternalSecret),
	}
}

// clusterStores returns the ClusterSecretStores that an annotation may name:
// all that the configuration itself uses, and those it allows besides.
func (e ExternalSecrets) clusterStores() []string {
	stores := slices.Clone(e.AllowedStores)
	for _, store := range append(e.overriddenStores(), e.SecretStore) {
		if store.Kind == graft.KindClusterSecretStore {
			stores = append(stores, store.Name)
		}
	}
	slices.Sort(stores)
	return slices.Compact(stores)
}

// SameAccount says that a store, whatever credentials it has, is one of the
// webhook's own account: the store of all environments, and those that the
// configuration says it of.
func (c *Configuration) SameAccount(store graft.Store) bool {
	if standard := c.ExternalSecrets.SecretStore; store == (graft.Store{Kind: standard.Kind, Name: standard.Name}) {
		return true
	}
	return store.Kind == graft.KindClusterSecretStore && slices.Contains(c.AWS.SameAccountStores, store.Name)
}

// overriddenStores returns each override's store as it comes out.
func (e ExternalSecrets) overriddenStores() []SecretStore {
	stores := make([]SecretStore, len(e.Overrides))
	for i, override := range e.Overrides {
		stores[i] = override.apply(e.ExternalSecretSettings).SecretStore
	}
	return stores
}

// ExternalSecretFor returns the settings of an environment's ExternalSecrets.
func (c *Configuration) ExternalSecretFor(environment string) ExternalSecretSettings {
	for _, override := range c.ExternalSecrets.Overrides {
		if override.Environment == environment {
			return override.apply(c.ExternalSecrets.ExternalSecretSettings)
		}
	}
	return c.ExternalSecrets.ExternalSecretSettings
}

// apply lays what the override sets over the settings of all environments.
func (o ExternalSecretOverride) apply(s ExternalSecretSettings) ExternalSecretSettings {
	if o.RefreshInterval != nil {
		s.RefreshInterval = *o.RefreshInterval
	}
	if o.DeletionPolicy != "" {
		s.DeletionPolicy = o.DeletionPolicy
	}
	if o.SecretStore.Kind != "" {
		s.SecretStore.Kind = o.SecretStore.Kind
	}
	if o.SecretStore.Name != "" {
		s.SecretStore.Name = o.SecretStore.Name
	}
	return s
}
