package externalsecret

import (
	"cmp"
	"time"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
)

// Settings are the configuration's for the ExternalSecrets of an environment.
type Settings func(environment string) config.ExternalSecretSettings

// Wants is what a workload asks of its ExternalSecret. Two workloads of one
// app whose wants differ are in conflict.
type Wants struct {
	Parameter       string
	Secret          string
	RefreshInterval time.Duration
	DeletionPolicy  string
	Store           graft.Store
}

// WantsOf lays a pod's annotations over the configuration's settings.
func WantsOf(d graft.Decision, s config.ExternalSecretSettings) Wants {
	w := Wants{
		Parameter:       d.Identity.Parameter,
		Secret:          d.Identity.Secret,
		RefreshInterval: cmp.Or(d.Settings.RefreshInterval, s.RefreshInterval),
		DeletionPolicy:  cmp.Or(d.Settings.DeletionPolicy, s.DeletionPolicy),
		Store:           graft.Store{Kind: s.SecretStore.Kind, Name: s.SecretStore.Name},
	}
	if d.Settings.SecretStore != (graft.Store{}) {
		w.Store = d.Settings.SecretStore
	}
	return w
}

// Made is what an ExternalSecret of ours was made by, as far as it says.
func (e *ExternalSecret) Made() Wants {
	return Wants{Parameter: e.Parameter(), Secret: e.SecretName(), Store: e.Store()}
}

// MadeBy is what an ExternalSecret was made by, compared with what is wanted. Its deletion policy follows later
// than all else, and is no change of what is wanted.
func (e *ExternalSecret) MadeBy(w Wants) Wants {
	was := e.Made()
	was.DeletionPolicy = w.DeletionPolicy
	if interval, err := time.ParseDuration(e.Spec.RefreshInterval); err == nil {
		was.RefreshInterval = interval
	}
	return was
}

// Store is the one that it names.
func (e *ExternalSecret) Store() graft.Store {
	return graft.Store{Kind: e.Spec.SecretStoreRef.Kind, Name: e.Spec.SecretStoreRef.Name}
}
