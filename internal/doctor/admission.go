package doctor

import (
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a pod of the template, created for show, comes back injected. It
// takes the webhook's own word, with the webhook's own configuration and AWS
// rights.

func checkAdmission(p Patient) Finding {
	switch {
	case p.App.Subject.Status != graft.StatusInjected:
		return unneeded("the pod is not to be injected")
	case p.Admission.State != clusterview.Found:
		return unseen(p.Admission.Cause)
	}
	a := p.Admission.Value
	switch {
	case strings.Contains(a.Refused, "calling webhook"):
		return broken(p.restartServer(), "the API server cannot reach the webhook: %s", a.Refused)
	case strings.Contains(a.Refused, "denied the request"):
		return broken(p.denialFix(a.Refused), "%s", a.Refused)
	case a.Refused != "":
		return unseen("a pod could not be created, for a reason that is not envgraft's: " + a.Refused)
	}
	if _, injected := a.Pod.Metadata.Annotations[api.AnnotationInjected]; !injected {
		return broken(p.restartServer(),
			"the API server admits pods of %s without calling envgraft: the webhook's namespaceSelector leaves namespace %q out, "+
				"or failurePolicy is Ignore and no replica answers", p.App.Workload, p.App.Workload.Namespace)
	}
	text := "a pod of the template is injected"
	if len(a.Warnings) > 0 {
		text += "; the webhook warns: " + strings.Join(a.Warnings, "; ")
	}
	return ok("%s", text)
}

// denialFix mends what the webhook denies, and this program did not see coming:
// the parameter, mostly, which only the webhook may read.
func (p Patient) denialFix(message string) string {
	if fix := p.fixOf(message); fix != "" {
		return fix
	}
	if strings.Contains(message, "does not exist") {
		return p.putParameter()
	}
	return p.putParameter() + " --overwrite"
}
