package reconcile

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
)

// unattendedAfter is how long ESO may take to say anything of a new
// ExternalSecret before that is worth a warning.
const unattendedAfter = time.Minute

// Reasons of Events on workloads.
const (
	eventNotInstalled = "ExternalSecretsOperatorMissing"
	eventNoStore      = "SecretStoreMissing"
	eventFailing      = "ExternalSecretNotSynced"
	eventUnattended   = "ExternalSecretNotProcessed"
	eventForeign      = "ExternalSecretForeign"
	eventConflict     = "ExternalSecretConflict"
)

// health is how an app's ExternalSecret fares.
type health struct {
	State metrics.ExternalSecretState
	// Reason and Message are an Event's, for people; empty when all is well.
	Reason  string
	Message string
	// Recheck is when time alone could change the answer; 0 is never.
	Recheck time.Duration
}

// examine tells how the ExternalSecret e fares, which is nil where none was
// made yet. It speaks of the cluster as the informers have it and makes no
// calls: the webhook asks it within an admission.
func (i *installation) examine(ctx context.Context, namespace string, id identity.Identity, store storeRef, e *externalSecret, now time.Time) health {
	if !i.installed() {
		return health{State: metrics.ExternalSecretNotInstalled, Reason: eventNotInstalled, Message: fmt.Sprintf(
			"the cluster serves no ExternalSecrets, so nothing makes Secret %q of parameter %q: install the External Secrets Operator, envgraft needs no restart",
			id.Secret, id.Parameter)}
	}
	if e != nil {
		store = e.Spec.SecretStoreRef
	}
	if i.lacks(ctx, namespace, store) {
		return health{State: metrics.ExternalSecretNoStore, Reason: eventNoStore, Message: fmt.Sprintf(
			"%s %q does not exist, so nothing makes Secret %q of parameter %q: create it, or name another with annotation envgraft.dev/secret-store",
			store.Kind, store.Name, id.Secret, id.Parameter)}
	}
	if e == nil {
		return health{State: metrics.ExternalSecretPending}
	}
	if e.target() != id.Secret && e.ours(id.App) {
		return health{State: metrics.ExternalSecretPending, Message: fmt.Sprintf(
			"ExternalSecret %q fills Secret %q, while the pod reads Secret %q: it follows, "+
				"unless an older workload of app %q asks for the other; see the workload's Events",
			e.Name, e.target(), id.Secret, id.App)}
	}
	if e.target() != id.Secret {
		return health{State: metrics.ExternalSecretForeign, Reason: eventForeign, Message: fmt.Sprintf(
			"ExternalSecret %q was not made by envgraft and fills Secret %q, while the pods read Secret %q: "+
				"give them the same name with annotation envgraft.dev/secret, or rename the ExternalSecret",
			e.Name, e.target(), id.Secret)}
	}
	return e.health(now)
}

// health reads ESO's own account.
func (e *externalSecret) health(now time.Time) health {
	ready := e.ready()
	switch {
	case ready != nil && ready.Status == metav1.ConditionTrue:
		return health{State: metrics.ExternalSecretReady}
	case ready != nil:
		return health{State: metrics.ExternalSecretFailing, Reason: eventFailing, Message: fmt.Sprintf(
			"External Secrets Operator cannot sync ExternalSecret %q with Secret %q: %s: %s; see kubectl describe externalsecret -n %s %s",
			e.Name, e.target(), ready.Reason, ready.Message, e.Namespace, e.Name)}
	}
	age := now.Sub(e.CreationTimestamp.Time)
	if age < unattendedAfter {
		return health{State: metrics.ExternalSecretPending, Recheck: unattendedAfter - age}
	}
	return health{State: metrics.ExternalSecretPending, Reason: eventUnattended, Message: fmt.Sprintf(
		"External Secrets Operator has not processed ExternalSecret %q, so there may be no Secret %q: "+
			"check that it runs and that its controller class is that of %s %q",
		e.Name, e.target(), e.Spec.SecretStoreRef.Kind, e.Spec.SecretStoreRef.Name)}
}
