package doctor

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: what else the API server asks lets the pod in, and adds no literal
// that takes precedence over one of the app's keys. Others' refusals are fixed
// by others.

func checkOtherWebhooks(in Input) Finding {
	if f, stop := in.notInjected(); stop {
		return f
	}
	w := in.App.Workload
	switch r := in.refusal(); {
	case r.kind == refusedNot && in.Admission.State != clusterview.Found:
		return unseen(in.Admission.Cause)
	case r.kind == refusedNot:
	case r.kind == refusedDenied:
		return broken(ask("whoever runs %s, which is not envgraft's, what it wants of pods of %s", r.by, w),
			"another webhook or policy denies pods of %s: %s", w, r.text)
	case r.kind == refusedUnreachable:
		return broken(ask("whoever runs %s, which is not envgraft's, to make it reachable", r.by),
			"another webhook cannot be reached, so that no pod of %s is created: %s", w, r.text)
	case r.kind == refusedQuota:
		return warn("the next pod would not be created: %s", r.text)
	default:
		return broken(none(), "the API server refuses pods of %s: %s", w, r.text)
	}
	if s := in.shadowed(); len(s) > 0 {
		return broken(in.declareLiteral(s[0].Container, s[0].Name),
			"another webhook adds %s to container %s, which takes precedence over the key of %s", s[0].Name, s[0].Container, s[0].Key)
	}
	return ok("none refuses the pod, or sets one of its keys")
}

// shadow is a key of the app that another webhook's literal takes precedence over.
type shadow struct{ Container, Name, Key string }

// shadowed compares the pod of the dry run with the template: a literal that is
// a key, and stands in the pod alone, was added by others.
func (in Input) shadowed() []shadow {
	d, facts := in.App.Subject, in.App.Facts()
	declared := map[string]bool{}
	for _, c := range in.App.Workload.Containers() {
		for _, e := range c.Env {
			declared[c.Name+"/"+e.Name] = true
		}
	}
	var found []shadow
	for _, c := range in.Admission.Value.Pod.Spec.Containers {
		if !reads(c, d.Identity.Secret) {
			continue // envgraft leaves this container alone
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil || declared[c.Name+"/"+e.Name] || d.Settings.Keep.Has(e.Name) {
				continue
			}
			switch {
			case facts.Parameter.State == graft.ParameterFound && slices.Contains(facts.Parameter.Keys, e.Name):
				found = append(found, shadow{c.Name, e.Name, "parameter " + d.Identity.Parameter})
			case facts.ConfigMap.State == graft.ConfigMapFound && slices.Contains(facts.ConfigMap.Keys, e.Name):
				found = append(found, shadow{c.Name, e.Name, "ConfigMap " + d.Identity.ConfigMap})
			}
		}
	}
	return found
}

// reads says that a container gets all keys of a Secret.
func reads(c corev1.Container, secret string) bool {
	return slices.ContainsFunc(c.EnvFrom, func(s corev1.EnvFromSource) bool { return s.SecretRef != nil && s.SecretRef.Name == secret })
}
