package graft

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// The rule: annotation envgraft.dev/mode: audit of a Namespace has its pods
// decided upon and reported, and leaves them as they are.

// Decide resolves opt-in, settings and identity. What a Namespace in audit mode
// would have done is in Would; with its status, nobody acts on it.
func (e *Engine) Decide(ns identity.Namespace, pod identity.Pod) Decision {
	return audited(ns, e.decide(ns, pod))
}

func audited(ns identity.Namespace, d Decision) Decision {
	mode, set := ns.Annotations[api.AnnotationMode]
	switch {
	case !set || d.Status == StatusSkipped:
		return d
	case mode != api.ModeAudit:
		return denied(d.OptIn, ReasonInvalidSetting, fmt.Errorf("annotation %s of namespace %q is %q: use %q, or remove it: kubectl annotate namespace %s %s-",
			api.AnnotationMode, ns.Name, mode, api.ModeAudit, ns.Name, api.AnnotationMode))
	}
	d.Status, d.Would = StatusAudited, d.Status
	return d
}

// Grafts says that facts are needed: the pod is to be grafted, or it is to be
// said what would come of it.
func (d Decision) Grafts() bool {
	return d.Status == StatusInjected || d.Status == StatusAudited && d.Would == StatusInjected
}

// audit grafts as if the Namespace were not in audit mode, and keeps the report.
func (s *Subject) audit(facts Facts) Result {
	as := *s
	as.Status = s.Would
	report := as.graft(facts).Report
	report.Status, report.Would = StatusAudited, report.Status
	if report.Would == StatusDenied {
		report.Warnings = append(report.Warnings, Warning{WarnAudit, "in mode audit; else it would be denied: " + report.Message})
	}
	return Result{Report: report}
}
