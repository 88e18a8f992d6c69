package doctor

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: the namespace or the workload opted in, nothing nearer opts out,
// and the webhooks are not switched off for the namespace.

func checkNamespace(p Patient) Finding {
	ns, w := p.App.Namespace, p.App.Workload
	if ns.State == clusterview.NotFound {
		return broken("kubectl create namespace "+w.Namespace, "namespace %q does not exist", w.Namespace)
	}
	if value, ok := ns.Value.Labels[api.LabelBypass]; ok {
		return broken(fmt.Sprintf("kubectl label namespace %s %s-", w.Namespace, api.LabelBypass),
			"label %s=%s of namespace %q switches all webhooks off", api.LabelBypass, value, w.Namespace)
	}
	if label, on := w.Labels[api.LabelInject]; on && !w.Kind.IsPod() && label == api.Enabled && p.App.Subject.Reason == graft.ReasonNotOptedIn {
		return broken(p.patchTemplate("labels", api.LabelInject, api.Enabled),
			"%s has label %s, but its pod template does not: the workload webhook was not called when it was applied", w, api.LabelInject)
	}
	if p.App.Subject.Status == graft.StatusAudited {
		return broken(fmt.Sprintf("kubectl annotate namespace %s %s-", w.Namespace, api.AnnotationMode),
			"namespace %q is in audit mode: envgraft says what it would do, and does nothing", w.Namespace)
	}
	switch p.App.Subject.Reason { //nolint:exhaustive // the others have checks of their own
	case graft.ReasonNotOptedIn:
		if ns.State != clusterview.Found {
			return unseen(ns.Cause)
		}
		return broken(fmt.Sprintf("kubectl label namespace %s %s=%s", w.Namespace, api.LabelInject, api.Enabled), "%s", p.App.Subject.Message)
	case graft.ReasonOptedOut:
		return broken(p.optIn(), "%s", p.App.Subject.Message)
	}
	return ok("opted in by the %s", p.App.Subject.OptIn.Origin)
}

// optIn takes an opting out back, where it stands.
func (p Patient) optIn() string {
	if p.App.Workload.TemplateMeta().Labels[api.LabelInject] == api.Disabled {
		if p.App.Workload.Labels[api.LabelInject] == api.Disabled {
			return p.kubectl("label %s %s=%s --overwrite", p.App.Workload, api.LabelInject, api.Enabled)
		}
		return p.patchTemplate("labels", api.LabelInject, api.Enabled)
	}
	return fmt.Sprintf("kubectl label namespace %s %s=%s --overwrite", p.App.Workload.Namespace, api.LabelInject, api.Enabled)
}
