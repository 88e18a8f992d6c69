package doctor

import (
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a pod of somebody's chart, which only its Namespace opted in and only
// the recommended label names, runs without a parameter that never was
// (missingParameter: auto). That is no fault, but worth a word.

// runsWithout says that the app has no parameter, and that its pods run without.
// Whether one ever was is the webhook's to know: it marks the pods that may start.
func (in Input) runsWithout() bool {
	d := in.App.Subject
	if record, recorded := in.App.Record(); recorded && record.Known() {
		return false
	}
	if in.App.Settings.Configuration.MissingParameter != graft.MissingAuto || !d.ByName || d.Settings.SecretOptional ||
		in.App.Secret.State == clusterview.Found {
		return false
	}
	pods := 0
	for _, pod := range in.App.Pods.Value {
		if pod.Ended() {
			continue
		}
		if !awaits(pod) {
			return false
		}
		pods++
	}
	if in.Admission.State == clusterview.Found && in.Admission.Value.Refused == "" {
		return awaits(in.Admission.Value.Pod)
	}
	return pods > 0
}

// awaits says that the webhook let a pod start before its Secret exists.
func awaits(pod clusterview.Pod) bool {
	return pod.Injected() && pod.Metadata.Annotations[api.AnnotationAwaitsSecret] == "true"
}

// withoutSecret is the finding for the parameter that is not there.
func withoutSecret(in Input) Finding {
	return warn("no parameter, running without: to have the pods wait for %s, label them %s=%s; to leave them out, label them %s=%s",
		in.App.Subject.Identity.Parameter, api.LabelApp, in.App.Subject.Identity.App, api.LabelInject, api.Disabled)
}
