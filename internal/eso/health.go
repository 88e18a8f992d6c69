package eso

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
)

// unattendedAfter is how long ESO may take to say anything of a new
// ExternalSecret before that is worth a warning.
const unattendedAfter = time.Minute

// Reasons of Events on workloads about their ExternalSecret.
const (
	ReasonNotInstalled = "ExternalSecretsOperatorMissing"
	ReasonNoStore      = "SecretStoreMissing"
	ReasonFailing      = "ExternalSecretNotSynced"
	ReasonUnattended   = "ExternalSecretNotProcessed"
	ReasonForeign      = "ExternalSecretForeign"
	ReasonOccupied     = "SecretExists"
	ReasonRevoked      = "ParameterRevoked"
)

// Reasons are those of Events that this package finds.
func Reasons() []string {
	return []string{
		ReasonNotInstalled, ReasonNoStore, ReasonFailing, ReasonUnattended, ReasonForeign, ReasonOccupied, ReasonRevoked,
	}
}

// Health is how an app's ExternalSecret fares.
type Health struct {
	State metrics.ExternalSecretState
	// Reason and Message are an Event's, for people; empty when all is well.
	Reason  string
	Message string
	// Recheck is when time alone could change the answer; 0 is never.
	Recheck time.Duration
}

// Examine tells how the ExternalSecret e fares, which is nil where none was
// made yet. It speaks of the cluster as the informers have it and makes no
// calls: the webhook asks it within an admission.
func (i *Installation) Examine(ctx context.Context, namespace string, id identity.Identity, store StoreRef, e *ExternalSecret, now time.Time) Health {
	if !i.Installed() {
		return Health{State: metrics.ExternalSecretNotInstalled, Reason: ReasonNotInstalled, Message: fmt.Sprintf(
			"the cluster serves no ExternalSecrets, so nothing makes Secret %q: install the External Secrets Operator", id.Secret)}
	}
	if e != nil {
		store = e.Spec.SecretStoreRef
	}
	if i.lacks(ctx, namespace, store) {
		return Health{State: metrics.ExternalSecretNoStore, Reason: ReasonNoStore, Message: fmt.Sprintf(
			"%s %q does not exist, so nothing makes Secret %q: create it, or name another in annotation envgraft.dev/secret-store",
			store.Kind, store.Name, id.Secret)}
	}
	if e == nil {
		return Health{State: metrics.ExternalSecretPending}
	}
	if e.SecretName() != id.Secret && e.Ours(id.App) {
		return Health{State: metrics.ExternalSecretPending, Message: fmt.Sprintf(
			"ExternalSecret %q still fills Secret %q, while the pod reads %q: wait, or see the Events of the workloads of app %q",
			e.Name, e.SecretName(), id.Secret, id.App)}
	}
	if e.SecretName() != id.Secret {
		return Health{State: metrics.ExternalSecretForeign, Reason: ReasonForeign, Message: fmt.Sprintf(
			"ExternalSecret %q is not envgraft's and fills Secret %q, while the pods read %q: rename it, or set annotation envgraft.dev/secret-name",
			e.Name, e.SecretName(), id.Secret)}
	}
	return e.health(now)
}

// health reads ESO's own account.
func (e *ExternalSecret) health(now time.Time) Health {
	ready := e.ready()
	switch {
	case e.Phase() == PhaseRevoked:
		return e.revokedHealth()
	case e.Occupied():
		return e.occupiedHealth()
	case e.Applied.Any && e.NextPhase(e.SecretName()) != e.Phase():
		return Health{State: metrics.ExternalSecretPending} // the controller is about to change it
	case ready != nil && ready.Status == metav1.ConditionTrue:
		return Health{State: metrics.ExternalSecretReady}
	case ready != nil:
		return Health{State: metrics.ExternalSecretFailing, Reason: ReasonFailing, Message: fmt.Sprintf(
			"External Secrets Operator cannot sync ExternalSecret %q (%s: %s): kubectl describe externalsecret -n %s %s",
			e.Name, ready.Reason, ready.Message, e.Namespace, e.Name)}
	}
	age := now.Sub(e.CreationTimestamp.Time)
	if age < unattendedAfter {
		return Health{State: metrics.ExternalSecretPending, Recheck: unattendedAfter - age}
	}
	return Health{State: metrics.ExternalSecretPending, Reason: ReasonUnattended, Message: fmt.Sprintf(
		"External Secrets Operator has not processed ExternalSecret %q: check that it runs, and its controller class", e.Name)}
}

func (e *ExternalSecret) occupiedHealth() Health {
	return Health{State: metrics.ExternalSecretFailing, Reason: ReasonOccupied, Message: fmt.Sprintf(
		"Secret %q was not made from parameter %q: keep it by annotation envgraft.dev/secrets=disabled, "+
			"or move it there and kubectl delete secret -n %s %s",
		e.SecretName(), e.Parameter(), e.Namespace, e.SecretName())}
}

func (e *ExternalSecret) revokedHealth() Health {
	return Health{State: metrics.ExternalSecretFailing, Reason: ReasonRevoked, Message: fmt.Sprintf(
		"Secret %q is refreshed no more, and pods keep what it holds: %s", e.SecretName(), e.Annotations[api.AnnotationRevoked])}
}
