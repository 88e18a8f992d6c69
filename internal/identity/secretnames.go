package identity

import (
	"strings"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: whoever may create pods may refer to any Secret of the namespace,
// and must not be enough to have ESO take it over. A name outside the template
// refers to a Secret; filled it is only where the Namespace lists it.

// lists says that the Namespace lets ESO fill a Secret of that name.
func lists(ns Namespace, secret string) bool {
	for name := range strings.SplitSeq(ns.Annotations[api.AnnotationAllowedSecretNames], ",") {
		if strings.TrimSpace(name) == secret {
			return true
		}
	}
	return false
}
