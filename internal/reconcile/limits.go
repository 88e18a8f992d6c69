package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/envgraft/envgraft/internal/api"
)

// Reasons of Events about ExternalSecrets that are not made.
const (
	eventTooMany        = "TooManyExternalSecrets"
	eventReferencedOnly = "SecretReferencedOnly"
)

// The rule: one namespace must not use up what all have of SSM. Invented apps
// cost nothing where pods need not even run.

// full says that a namespace has as many ExternalSecrets of ours as it may.
func (p *pass) full(ctx context.Context) (bool, error) {
	if p.options.MaxPerNamespace == 0 {
		return false, nil
	}
	made, err := p.installation.Made(ctx, p.app.Namespace, "")
	return len(made) >= p.options.MaxPerNamespace, err
}

func (p *pass) refuseMore(claims []claim) {
	for _, c := range claims {
		p.events.warn(c.Workload, eventTooMany, "Apply", fmt.Sprintf(
			"namespace %q has %d ExternalSecrets of envgraft already, which is the most that externalSecrets.maxPerNamespace allows, "+
				"so none is made for app %q: delete workloads that are not used, or have an administrator raise it",
			p.app.Namespace, p.options.MaxPerNamespace, p.app.Name))
	}
}

// The rule: a name that a pod's author chose is that of any Secret of the
// namespace. It refers to a Secret, and has none made, unless the Namespace says so.

// fillable drops the claims whose Secret is only referred to, and says so on
// their workloads.
func (p *pass) fillable(claims []claim) []claim {
	return slices.DeleteFunc(claims, func(c claim) bool {
		if !c.Identity.SecretReferenced {
			p.events.over(c.Workload, eventReferencedOnly)
			return false
		}
		p.events.warn(c.Workload, eventReferencedOnly, "Apply", fmt.Sprintf(
			"Secret %q is only referred to: it is not named as app %q has it, so no ExternalSecret is made for it. "+
				"An administrator can allow it by adding the name to annotation %s of namespace %q",
			c.Wants.Secret, c.Identity.App, api.AnnotationSecretNames, p.app.Namespace))
		return true
	})
}
