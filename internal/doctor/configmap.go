package doctor

import (
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: the ConfigMap exists where the pods wait for it.

func checkConfigMap(p Patient) Finding {
	if p.App.Subject.Status != graft.StatusInjected {
		return unneeded("the pods are not injected")
	}
	name, c := p.App.Subject.Identity.ConfigMap, p.App.ConfigMap
	switch {
	case c.State == clusterview.Found:
		return ok("%s has %d keys", name, len(c.Value.Data))
	case c.State == clusterview.NotFound && p.App.Subject.Settings.ConfigMapRequired:
		return broken(p.kubectl("create configmap %s --from-literal=KEY=value", name), "ConfigMap %q does not exist, and the pods wait for it", name)
	case c.State == clusterview.NotFound:
		return unneeded("%s does not exist, which is no fault: the pods start without it", name)
	}
	return unseen(c.Cause)
}
