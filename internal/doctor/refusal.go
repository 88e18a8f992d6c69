package doctor

import (
	"regexp"
	"strings"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: the API server's message names the webhook or policy that refused a
// pod. doctor prints fixes only for envgraft's own.

// refusalKind says how a pod was refused.
type refusalKind int

const (
	notRefused refusalKind = iota
	// refusedDenied is a webhook or policy that said no.
	refusedDenied
	// refusedUnreachable is a webhook that could not be called.
	refusedUnreachable
	refusedQuota
	// refusedOther is the API server itself, as by Pod Security.
	refusedOther
)

// refusalOf is why the API server would not create a pod.
type refusal struct {
	kind refusalKind
	// by names the webhook or policy.
	by   string
	ours bool
	text string
}

// The API server's words, see
// https://github.com/kubernetes/kubernetes/tree/master/staging/src/k8s.io/apiserver/pkg/admission/plugin.
var (
	deniedByWebhook = regexp.MustCompile(`admission webhook "([^"]+)" denied the request`)
	deniedByPolicy  = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)' with binding '[^']*' denied request`)
	callFailed      = regexp.MustCompile(`calling webhook "([^"]+)"`)
)

// refusalOf reads the answer to the dry run, or without one what the workload's
// controller was told.
func refusalOf(in Input) refusal {
	text := in.Admission.Value.Refused
	if in.Admission.State != clusterview.Found {
		text = in.App.Failure
	}
	return parseRefusal(in, text)
}

func parseRefusal(in Input, text string) refusal {
	r := refusal{text: text}
	if text == "" {
		return r
	}
	for _, form := range []struct {
		expression *regexp.Regexp
		kind       refusalKind
	}{{deniedByWebhook, refusedDenied}, {deniedByPolicy, refusedDenied}, {callFailed, refusedUnreachable}} {
		if match := form.expression.FindStringSubmatch(text); match != nil {
			r.kind, r.by, r.ours = form.kind, match[1], in.isOurs(match[1])
			return r
		}
	}
	r.kind = refusedOther
	if strings.Contains(text, "exceeded quota") {
		r.kind = refusedQuota
	}
	return r
}

// isOurs knows envgraft's webhooks, and the policies of its standby.
func (in Input) isOurs(by string) bool {
	if strings.HasSuffix(by, ".envgraft.dev") || by == "envgraft" || strings.HasPrefix(by, "envgraft-") {
		return true
	}
	for _, w := range in.Webhooks.Value.Webhooks {
		if w.Name == by {
			return true
		}
	}
	return false
}
