package doctor

import "github.com/envgraft/envgraft/internal/clusterview"

// The rule: the ConfigMap exists where the pods wait for it.

func checkConfigMap(in Input) Finding {
	if f, stop := notInjected(in); stop {
		return f
	}
	name, c := in.App.Subject.Identity.ConfigMap, in.App.ConfigMap
	switch {
	case c.State == clusterview.Found:
		return ok("%s has %d keys", name, len(c.Value.Data))
	case c.State == clusterview.NotFound && in.App.Subject.Settings.ConfigMapRequired:
		return broken(createConfigMap(in), "ConfigMap %q does not exist, and the pods wait for it", name)
	case c.State == clusterview.NotFound:
		return unneeded("%s does not exist, which is no fault: the pods start without it", name)
	}
	return unseen(c.Cause)
}
