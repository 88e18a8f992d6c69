package plan

import (
	"fmt"
	"slices"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// Reasons of Events about ExternalSecrets that are not made.
const (
	eventTooMany        = "TooManyExternalSecrets"
	eventReferencedOnly = "SecretReferencedOnly"
)

// refuseMore says on workloads that their namespace has all that it may have.
func (k keeper) refuseMore(claims []claim, why string) {
	for _, c := range claims {
		k.say(c.Workload, workloadevents.Warn(eventTooMany, "Apply", why))
	}
}

// The rule: a name that a pod's author chose is that of any Secret of the
// namespace. It refers to a Secret, and has none made, unless the Namespace says so.

// fillable drops the claims whose Secret is only referred to, and says so on
// their workloads.
func (p *planner) fillable(claims []claim) []claim {
	return slices.DeleteFunc(claims, func(c claim) bool {
		if !c.Identity.SecretReferenced {
			p.over(c.Workload, eventReferencedOnly)
			return false
		}
		p.say(c.Workload, workloadevents.Warn(eventReferencedOnly, "Apply", fmt.Sprintf(
			"Secret %q is only referred to: it is not named as app %q has it, so no ExternalSecret is made for it. "+
				"An administrator can allow it by adding the name to annotation %s of namespace %q",
			c.Wants.Secret, c.Identity.App, api.AnnotationAllowedSecretNames, p.App.Namespace)))
		return true
	})
}
