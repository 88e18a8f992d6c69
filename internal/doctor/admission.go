package doctor

import (
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: a pod of the template, created in a dry run, comes back injected.
// The webhook itself answers, with its own configuration and AWS rights.

func checkAdmission(in Input) Finding {
	if f, stop := notInjected(in); stop {
		return f
	}
	switch r := refusalOf(in); {
	case r.ours && r.kind == refusedUnreachable:
		return broken(restartServer(in), "the API server cannot reach the webhook: %s", r.text)
	case r.ours:
		return broken(denialFix(in, r.text), "%s", r.text)
	case r.kind != notRefused:
		return unseen("the pod was refused before it was complete, and not by envgraft")
	case in.Admission.State != clusterview.Found:
		return unseen(in.Admission.Cause)
	}
	a := in.Admission.Value
	if _, injected := a.Pod.Metadata.Annotations[api.AnnotationInjected]; !injected {
		return broken(restartServer(in),
			"the API server admits pods of %s without calling envgraft: the webhook's namespaceSelector leaves namespace %q out, "+
				"or failurePolicy is Ignore and no replica answers", in.App.Workload, in.App.Workload.Namespace)
	}
	text := "a pod of the template is injected"
	if len(a.Warnings) > 0 {
		text += "; the webhook warns: " + strings.Join(a.Warnings, "; ")
	}
	return ok("%s", text)
}

// denialFix fixes what the webhook denies and this program did not see coming:
// the parameter, mostly, which only the webhook may read. One that the webhook
// may not read is no reason to write it.
func denialFix(in Input, message string) fix {
	if by := fixOf(in, message); by != none() {
		return by
	}
	switch {
	case strings.Contains(message, "access denied"):
		return ask("whoever manages envgraft's IAM role to allow it ssm:GetParameter on %s and kms:Decrypt on the key of %s",
			arn(in, "ssm", "parameter"+in.App.Subject.Identity.Parameter), in.App.Subject.Identity.Parameter)
	case strings.Contains(message, "does not exist"), strings.Contains(message, "is not JSON"), strings.Contains(message, "is not a JSON object"):
		return editParameter(in)
	}
	return none()
}
