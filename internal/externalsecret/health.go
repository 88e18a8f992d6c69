package externalsecret

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// unattendedAfter is how long ESO may take to say anything of a new
// ExternalSecret before that is worth a warning.
const unattendedAfter = time.Minute

// State is the state of an app's ExternalSecret. It is the value of a metric label,
// so the set is closed.
type State string

// The states.
const (
	// StateReady is synced by ESO.
	StateReady State = "Ready"
	// StatePending is one that ESO said nothing about yet.
	StatePending State = "Pending"
	// StateFailing is one that ESO cannot sync.
	StateFailing State = "Failing"
	// StateUnanswered is one that was synced, and that ESO was asked to refresh in
	// vain: SSM has a version that the Secret lacks.
	StateUnanswered State = "Unanswered"
	// StateDeleting is being deleted, and its Secret with it.
	StateDeleting State = "Deleting"
	// StateNoStore names a store that is not there.
	StateNoStore State = "NoStore"
	// StateNotInstalled could not be made: the cluster has no ESO.
	StateNotInstalled State = "NotInstalled"
	// StateForeign was made by someone else, and is left alone.
	StateForeign State = "Foreign"
)

// States lists all states.
func States() []State {
	return []State{
		StateReady, StatePending, StateFailing, StateUnanswered, StateDeleting, StateNoStore, StateNotInstalled, StateForeign,
	}
}

// Reasons of Events on workloads about their ExternalSecret.
const (
	ReasonNotInstalled = "ExternalSecretsOperatorMissing"
	ReasonNoStore      = "SecretStoreMissing"
	ReasonFailing      = "ExternalSecretNotSynced"
	ReasonUnattended   = "ExternalSecretNotProcessed"
	ReasonUnanswered   = "ExternalSecretNotRefreshed"
	ReasonDeleting     = "ExternalSecretBeingDeleted"
	ReasonForeign      = "ExternalSecretForeign"
	ReasonOccupied     = "SecretExists"
	ReasonRevoked      = "ParameterRevoked"
)

// Reasons are those of the Events that tell Health.
func Reasons() []string {
	return []string{
		ReasonNotInstalled, ReasonNoStore, ReasonFailing, ReasonUnattended, ReasonUnanswered, ReasonDeleting,
		ReasonForeign, ReasonOccupied, ReasonRevoked,
	}
}

// Health is the state of an app's ExternalSecret, and the Event that reports it.
type Health struct {
	State State
	// Reason and Message are an Event's, for people; empty when all is well.
	Reason  string
	Message string
	// Recheck is when time alone could change the answer; 0 is never.
	Recheck time.Duration
}

// Surroundings is what the cluster has for an ExternalSecret.
type Surroundings struct {
	// Installed says that the cluster serves ExternalSecrets.
	Installed bool
	// Store is the one that is asked for where there is no ExternalSecret yet.
	Store StoreRef
	// Lacks says that a store is surely not there.
	Lacks func(StoreRef) bool
}

// Examine returns the health of an app's ExternalSecret e, which is nil where none
// was created yet.
func (s Surroundings) Examine(id identity.Identity, e *ExternalSecret, now time.Time) Health {
	if !s.Installed {
		return Health{State: StateNotInstalled, Reason: ReasonNotInstalled, Message: fmt.Sprintf(
			"the cluster serves no ExternalSecrets, so nothing makes Secret %q: install the External Secrets Operator", id.Secret)}
	}
	store := s.Store
	if e != nil {
		store = e.Spec.SecretStoreRef
	}
	switch {
	case s.Lacks(store):
		return Health{State: StateNoStore, Reason: ReasonNoStore, Message: fmt.Sprintf(
			"%s %q does not exist, so nothing makes Secret %q: create it, or name another in annotation envgraft.dev/secret-store",
			store.KindOrDefault(), store.Name, id.Secret)}
	case e == nil:
		return Health{State: StatePending}
	case e.SecretName() != id.Secret && e.Ours(id.App):
		return Health{State: StatePending, Message: fmt.Sprintf(
			"ExternalSecret %q still fills Secret %q, while the pod reads %q: wait, or see the Events of the workloads of app %q",
			e.Name, e.SecretName(), id.Secret, id.App)}
	case e.SecretName() != id.Secret:
		return Health{State: StateForeign, Reason: ReasonForeign, Message: fmt.Sprintf(
			"ExternalSecret %q is not envgraft's and fills Secret %q, while the pods read %q: rename it, or set annotation envgraft.dev/secret-name",
			e.Name, e.SecretName(), id.Secret)}
	}
	return e.Health(now)
}

// Health is that of an ExternalSecret that fills the Secret it should.
func (e *ExternalSecret) Health(now time.Time) Health {
	ready := e.Ready()
	switch {
	case e.Deleting():
		return e.deletingHealth()
	case e.Phase() == PhaseRevoked:
		return e.revokedHealth()
	case e.Occupied():
		return e.occupiedHealth()
	case e.Applied.Any && e.NextPhase(e.SecretName()) != e.Phase():
		return Health{State: StatePending} // the controller is about to change it
	case ready != nil && ready.Status == metav1.ConditionTrue:
		return e.readyHealth(now)
	case ready != nil:
		return Health{State: StateFailing, Reason: ReasonFailing, Message: fmt.Sprintf(
			"External Secrets Operator cannot sync ExternalSecret %q (%s: %s): kubectl describe externalsecret -n %s %s",
			e.Name, ready.Reason, ready.Message, e.Namespace, e.Name)}
	}
	age := now.Sub(e.CreationTimestamp.Time)
	if age < unattendedAfter {
		return Health{State: StatePending, Recheck: unattendedAfter - age}
	}
	return Health{State: StatePending, Reason: ReasonUnattended, Message: fmt.Sprintf(
		"External Secrets Operator has not processed ExternalSecret %q: check that it runs, and its controller class", e.Name)}
}

// readyHealth doubts ESO's word where SSM has something newer.
func (e *ExternalSecret) readyHealth(now time.Time) Health {
	since := e.UnansweredSince(now)
	if since.IsZero() {
		return Health{State: StateReady, Recheck: e.AnswerDue(now)}
	}
	return Health{State: StateUnanswered, Reason: ReasonUnanswered, Message: fmt.Sprintf(
		"External Secrets Operator has not answered since %s, so Secret %q lacks version %d of its parameter: "+
			"check that it runs, then kubectl describe externalsecret -n %s %s",
		since.UTC().Format(time.RFC3339), e.SecretName(), e.Record.Version, e.Namespace, e.Name)}
}

func (e *ExternalSecret) deletingHealth() Health {
	return Health{State: StateDeleting, Reason: ReasonDeleting, Message: fmt.Sprintf(
		"ExternalSecret %q is being deleted since %s, and Secret %q goes with it; envgraft creates it again once it is gone. "+
			"Its finalizer waits for the External Secrets Operator: check that it runs",
		e.Name, e.DeletionTimestamp.UTC().Format(time.RFC3339), e.SecretName())}
}

func (e *ExternalSecret) occupiedHealth() Health {
	return Health{State: StateFailing, Reason: ReasonOccupied, Message: fmt.Sprintf(
		"Secret %q was not made from parameter %q: keep it by annotation envgraft.dev/secrets=disabled, "+
			"or move it there and kubectl delete secret -n %s %s",
		e.SecretName(), e.Parameter(), e.Namespace, e.SecretName())}
}

func (e *ExternalSecret) revokedHealth() Health {
	return Health{State: StateFailing, Reason: ReasonRevoked, Message: fmt.Sprintf(
		"Secret %q is refreshed no more, and pods keep what it holds: %s", e.SecretName(), e.Annotations[api.AnnotationRevoked])}
}
