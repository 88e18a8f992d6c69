package plan

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/staleness"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// Plan is what is to be done for an app.
type Plan struct {
	// Questions are to be answered in the snapshot. A plan that has any is not to be
	// carried out: make another one.
	Questions []any
	// Steps are carried out in this order. Each fails alone.
	Steps []Step
	// Notices are Events on workloads, in order.
	Notices []Notice
	// State is that of the app's ExternalSecrets; empty where nothing is known of one.
	State externalsecret.State
	// Uses are the ExternalSecrets and Secrets of others that the app depends on.
	Uses []string
	// Unused says that nothing asks for an ExternalSecret.
	Unused bool
	// Stale counts the app's stale pods.
	Stale map[staleness.Reason]int
	// Wait is when to reconcile the app again; 0 is never.
	Wait time.Duration
	// Memories are what the leader is to remember.
	Memories []Memorize
	// Recorded are parameters whose lookups the leader may forget.
	Recorded []Recorded
	// Err fails the reconciliation as a whole: what all steps need is not known.
	Err error
}

// Step is one step of a plan.
type Step struct {
	memory.Step

	// About are the workloads that are told when it fails.
	About []workload.Ref
	// Actions are carried out until one fails.
	Actions []Action
	// Err says that the step could not be decided.
	Err error
}

// Notice is an Event on a workload, or that the Events of some reasons are no longer true.
type Notice struct {
	Workload workload.Ref
	Event    workloadevents.Event
	// Over are the reasons whose next Event is written at once. Where there are any,
	// Event is empty.
	Over []string
}

// Memorize changes what the leader remembers.
type Memorize func(m *memory.Memory)

// Recorded is a parameter whose version stands in the record of an ExternalSecret.
type Recorded struct {
	Wants externalsecret.Wants
	At    externalsecret.Version
}

// Action is something that changes the cluster.
type Action interface{ action() }

// Apply applies an ExternalSecret by server-side apply.
type Apply struct {
	Object *unstructured.Unstructured
	// New says that it does not exist, so that one which somebody creates at this
	// moment takes precedence.
	New bool
	// Fingerprint stands for all of Object.
	Fingerprint uint64
	// Changes says that it is to be made of something else than before, which is
	// bounded: see Memory.
	Changes   bool
	Parameter string
	Owners    int
	// Done are Events once it is applied.
	Done []Notice
}

// MarkUnused writes on an ExternalSecret since when it is unused; an empty Since
// removes that.
type MarkUnused struct {
	ExternalSecret *externalsecret.ExternalSecret
	Since          string
}

// Delete deletes an ExternalSecret as it was seen.
type Delete struct {
	ExternalSecret *externalsecret.ExternalSecret
}

// Refresh has ESO refresh an ExternalSecret.
type Refresh struct {
	ExternalSecret *externalsecret.ExternalSecret
	// Version is what SSM has, as "/shop/web/stage/app@2".
	Version string
	// Record is what is known of that version; nil where nothing is.
	Record *externalsecret.Record
	// Workload gets the Event.
	Workload workload.Ref
}

// Restart restarts a workload in its turn.
type Restart struct {
	Cause Cause
	Past  rollout.Past
	// Object is the workload as it was read.
	Object *unstructured.Unstructured
}

func (Apply) action()      {}
func (MarkUnused) action() {}
func (Delete) action()     {}
func (Refresh) action()    {}
func (Restart) action()    {}

// key of an ExternalSecret.
func key(e *externalsecret.ExternalSecret) types.NamespacedName {
	return types.NamespacedName{Namespace: e.Namespace, Name: e.Name}
}
