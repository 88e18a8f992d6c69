package doctor

import (
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: the namespace or the workload opted in, nothing nearer opts out,
// and the webhooks are not switched off for the namespace.

func checkNamespace(in Input) Finding {
	ns, w := in.App.Namespace, in.App.Workload
	if ns.State == clusterview.NotFound {
		return broken(createNamespace(in), "namespace %q does not exist", w.Namespace)
	}
	if value, ok := ns.Value.Labels[api.LabelBypass]; ok {
		return broken(labelNamespace(in, api.LabelBypass+"-"), "label %s=%s of namespace %q switches all webhooks off", api.LabelBypass, value, w.Namespace)
	}
	if label, on := w.Labels[api.LabelInject]; on && !w.Kind.IsPod() && label == api.Enabled && in.App.Subject.Reason == graft.ReasonNotOptedIn {
		return broken(patchTemplate(in, "labels", api.LabelInject, api.Enabled),
			"%s has label %s, but its pod template does not: the workload webhook was not called when it was applied", w, api.LabelInject)
	}
	if in.App.Subject.Status == graft.StatusAudited {
		return broken(enforce(in), "namespace %q is in audit mode: envgraft says what it would do, and does nothing", w.Namespace)
	}
	switch in.App.Subject.Reason { //nolint:exhaustive // the others have checks of their own
	case graft.ReasonNotOptedIn:
		if ns.State != clusterview.Found {
			return unseen(ns.Cause)
		}
		return broken(labelNamespace(in, api.LabelInject+"="+api.Enabled), "%s", in.App.Subject.Message)
	case graft.ReasonOptedOut:
		return broken(optIn(in), "%s", in.App.Subject.Message)
	}
	return ok("opted in by the %s", in.App.Subject.OptIn.Origin)
}

// optIn takes an opting out back, where it stands.
func optIn(in Input) fix {
	if in.App.Workload.TemplateMeta().Labels[api.LabelInject] == api.Disabled {
		if in.App.Workload.Labels[api.LabelInject] == api.Disabled {
			return labelWorkload(in)
		}
		return patchTemplate(in, "labels", api.LabelInject, api.Enabled)
	}
	return labelNamespace(in, api.LabelInject+"="+api.Enabled)
}
