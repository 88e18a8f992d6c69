package doctor

import "github.com/envgraft/envgraft/internal/clusterview"

// The rule: the store exists, ESO calls it ready, and it admits the namespace.
// The owner of a store decides what it may read and who may use it: nothing here
// creates or opens one.

func checkStore(in Input) Finding {
	if in.App != nil {
		if f, stop := noSecret(in); stop {
			return f
		}
	}
	ref := in.StoreRef
	switch in.Store.State {
	case clusterview.Found:
	case clusterview.NotFound:
		return broken(storeOwner(in, "to create it again from its manifest, with the role or credentials that it had"), "%s does not exist", ref)
	default:
		return unseen(in.Store.Cause)
	}
	if why := in.Store.Value.NotReady(); why != "" {
		return broken(describeStore(in), "%s is not ready: %s", ref, why)
	}
	if in.App != nil && in.App.Namespace.State == clusterview.Found && !in.Store.Value.Opens(in.App.Namespace.Value) {
		return broken(storeOwner(in, "whether namespace %s may use it: its spec.conditions decide that", in.App.Workload.Namespace),
			"%s does not admit namespace %q: none of its spec.conditions matches", ref, in.App.Workload.Namespace)
	}
	return ok("%s is ready", ref)
}
