package migrate

import (
	"maps"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: an ExternalSecret that extracts one parameter whole can be
// envgraft's own, with annotations for what differs from the defaults. Any
// other stays, and envgraft uses the Secret that it fills.

func (a *planner) externalSecret() {
	if a.secret == "" {
		return
	}
	e := a.filling(a.secret)
	whole := e != nil && e.SoleParameter() != ""
	switch {
	case e == nil:
		a.notef("no ExternalSecret that fills Secret %s was seen: if it was made by hand, put what it holds into parameter %s first "+
			"(envgraft parameters check), for ESO does not take it over", a.secret, a.plan.Identity.Parameter)
		return
	case e.MadeByEnvgraft():
		return
	case !whole:
		a.notef("ExternalSecret %s stays: it does more than extract one parameter as it is; envgraft uses Secret %s", e.Name, a.secret)
		return
	}
	wanted := a.differences(*e)
	maps.Copy(a.plan.Annotations, wanted)
	if d := a.decide(); d.Status != graft.StatusInjected {
		for key := range wanted {
			delete(a.plan.Annotations, key)
		}
		a.notef("ExternalSecret %s stays, and envgraft uses Secret %s: envgraft would not make it like that: %s", e.Name, a.secret, d.Message)
		return
	}
	a.notef("ExternalSecret %s may stay: envgraft uses it. To have envgraft make its own: kubectl -n %s delete externalsecret %s; "+
		"pods that start before ESO has synced the new one wait for it", e.Name, a.Namespace.Name, e.Name)
}

// differences are the annotations for what the configuration has otherwise.
func (a *planner) differences(e externalsecret.ExternalSecret) map[string]string {
	id, defaults := a.plan.Identity, a.world.Defaults(a.plan.Identity.Environment)
	wanted := map[string]string{}
	if e.Parameter() != id.Parameter {
		wanted[api.AnnotationParameter] = e.Parameter()
	}
	if store := e.Spec.SecretStoreRef.String(); store != defaults.Store {
		wanted[api.AnnotationSecretStore] = store
	}
	if !sameDuration(e.Spec.RefreshInterval, defaults.RefreshInterval) {
		wanted[api.AnnotationRefreshInterval] = e.Spec.RefreshInterval
	}
	if policy := e.Spec.Target.DeletionPolicy; policy != "" && policy != defaults.DeletionPolicy {
		wanted[api.AnnotationDeletionPolicy] = policy
	}
	return wanted
}

func sameDuration(a, b string) bool {
	x, err := time.ParseDuration(a)
	if err != nil {
		return a == ""
	}
	y, err := time.ParseDuration(b)
	return err == nil && x == y
}
