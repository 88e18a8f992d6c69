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
			Tenancy:     c.Tenancy.Mode,
			Environment: c.Environment,
			Names:       c.Names.templates(),
		},
		MissingParameter: c.MissingParameter,
		InvalidParameter: c.InvalidParameter,
		UnknownParameter: c.UnknownParameter,
		SkipContainers:   slices.Clone(c.SkipContainers),
		ClusterStores:    c.ExternalSecrets.clusterStores(),
		Reload:           c.Reload.Enabled,
	}
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
