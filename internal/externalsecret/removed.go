package externalsecret

import (
	"time"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: when ESO removed a Secret is written on its ExternalSecret. Reloader acts
// on changes of a Secret and ignores its creation, so pods that had the former one are
// restarted by the controller once it exists again.

// NextRemoved is when the Secret was found removed, as it is to stand on the
// ExternalSecret; empty where it never was.
func (e *ExternalSecret) NextRemoved(secret string, now time.Time) string {
	if e == nil || e.SecretName() != secret {
		return ""
	}
	if e.Phase() == PhaseOwn && e.NextPhase(secret) == PhaseProbe {
		return now.UTC().Format(time.RFC3339)
	}
	return e.Annotations[api.AnnotationSecretRemoved]
}

// MadeAgain is when the Secret was removed that exists again; zero where it was not
// removed, or does not exist again.
func (e *ExternalSecret) MadeAgain() time.Time {
	at, err := time.Parse(time.RFC3339, e.Annotations[api.AnnotationSecretRemoved])
	if err != nil || !e.Filled() || !e.Status.RefreshTime.After(at) {
		return time.Time{}
	}
	return at
}
