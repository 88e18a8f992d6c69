package config

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/envgraft/envgraft/internal/graft"
)

func (e ExternalSecrets) validate(path *field.Path) field.ErrorList {
	all := e.ExternalSecretSettings.validate(path)
	for i, store := range e.AllowedStores {
		all = append(all, invalid(path.Child("allowedStores").Index(i), store, validation.IsDNS1123Subdomain(store))...)
	}
	all = append(all, e.validateStores(path.Child("stores"))...)
	all = append(all, e.validateOverrides(path.Child("overrides"))...)
	all = append(all, e.validateRetention(path)...)
	all = append(all, e.validateIntervals(path)...)
	if e.MaxPerNamespace < 1 {
		all = append(all, field.Invalid(path.Child("maxPerNamespace"), e.MaxPerNamespace, "must be at least 1"))
	}
	all = append(all, notNegative(path.Child("keepUnused"), e.KeepUnused)...)
	return append(all, notNegative(path.Child("versionCheckInterval"), e.VersionCheckInterval)...)
}

func (e ExternalSecrets) validateOverrides(path *field.Path) field.ErrorList {
	var all field.ErrorList
	seen := map[string]bool{}
	for i, override := range e.Overrides {
		path := path.Index(i)
		switch {
		case override.Environment == "":
			all = append(all, field.Required(path.Child("environment"), "an override is for one environment"))
		case seen[override.Environment]:
			all = append(all, field.Duplicate(path.Child("environment"), override.Environment))
		default:
			all = append(all, labelValue(path.Child("environment"), override.Environment)...)
		}
		seen[override.Environment] = true
		all = append(all, override.validate(path)...)
		if override.SecretStore != (SecretStore{}) {
			store := override.apply(e.ExternalSecretSettings).SecretStore
			all = append(all, e.checkBinding(path.Child("secretStore"), store, override.Environment)...)
		}
	}
	return all
}

func (s ExternalSecretSettings) validate(path *field.Path) field.ErrorList {
	all := positive(path.Child("refreshInterval"), s.RefreshInterval)
	all = append(all, oneOf(path.Child("deletionPolicy"), s.DeletionPolicy, graft.DeletionPolicyDelete, graft.DeletionPolicyRetain)...)
	return append(all, s.SecretStore.validate(path.Child("secretStore"))...)
}

func (s SecretStore) validate(path *field.Path) field.ErrorList {
	all := oneOf(path.Child("kind"), s.Kind, graft.KindClusterSecretStore, graft.KindSecretStore)
	return append(all, invalid(path.Child("name"), s.Name, validation.IsDNS1123Subdomain(s.Name))...)
}

// validate looks at what the override sets alone, so that a mistake in the
// settings of all environments is not reported once for each override.
func (o ExternalSecretOverride) validate(path *field.Path) field.ErrorList {
	set := o.apply(Default().ExternalSecrets.ExternalSecretSettings)
	return set.validate(path)
}

func (e ExternalSecrets) validateStores(path *field.Path) field.ErrorList {
	var all field.ErrorList
	seen := map[SecretStore]bool{}
	for i, binding := range e.Stores {
		path := path.Index(i)
		all = append(all, binding.SecretStore.validate(path)...)
		if seen[binding.SecretStore] {
			all = append(all, field.Duplicate(path, binding.Kind+"/"+binding.Name))
		}
		seen[binding.SecretStore] = true
		if len(binding.Environments)+len(binding.Namespaces) == 0 {
			all = append(all, field.Required(path.Child("environments"), "a store is bound to environments, to namespaces, or to both"))
		}
		for j, environment := range binding.Environments {
			all = append(all, environmentName(path.Child("environments").Index(j), environment)...)
		}
		all = append(all, labels(path.Child("namespaces"), binding.Namespaces)...)
	}
	return all
}

// checkBinding refuses a store that an environment is given and may not use:
// every pod of the environment would be denied.
func (e ExternalSecrets) checkBinding(path *field.Path, store SecretStore, environment string) field.ErrorList {
	for i, binding := range e.Stores {
		if binding.SecretStore != store || len(binding.Environments) == 0 || slices.Contains(binding.Environments, environment) {
			continue
		}
		return field.ErrorList{field.Invalid(path, store.Kind+"/"+store.Name, fmt.Sprintf(
			"is the store of environment %q, but externalSecrets.stores[%d] binds it to %q", environment, i, binding.Environments))}
	}
	return nil
}

// validateRetention refuses to lose Secrets everywhere by oversight: a cluster
// whose production has another name than the defaults know.
func (e ExternalSecrets) validateRetention(path *field.Path) field.ErrorList {
	retains := e.RetainNowhere || !e.Enabled || e.DeletionPolicy == graft.DeletionPolicyRetain ||
		slices.ContainsFunc(e.Overrides, func(o ExternalSecretOverride) bool { return o.DeletionPolicy == graft.DeletionPolicyRetain })
	if retains {
		return nil
	}
	return field.ErrorList{field.Required(path.Child("overrides"),
		"in no environment a Secret outlives its parameter: name those that must, "+
			"as in {environment: prod, deletionPolicy: Retain}, or set externalSecrets.retainNowhere: true")}
}

func (e ExternalSecrets) validateIntervals(path *field.Path) field.ErrorList {
	all := positive(path.Child("minRefreshInterval"), e.MinRefreshInterval)
	short := func(path *field.Path, settings ExternalSecretSettings) {
		if 0 < settings.RefreshInterval && settings.RefreshInterval < e.MinRefreshInterval {
			all = append(all, field.Invalid(path.Child("refreshInterval"), settings.RefreshInterval.String(),
				fmt.Sprintf("must be at least externalSecrets.minRefreshInterval, which is %s", e.MinRefreshInterval)))
		}
	}
	short(path, e.ExternalSecretSettings)
	for i, override := range e.Overrides {
		if override.RefreshInterval != nil {
			short(path.Child("overrides").Index(i), override.apply(e.ExternalSecretSettings))
		}
	}
	return all
}
