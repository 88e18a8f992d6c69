// Package workloadevents writes Events on workloads: the same Event at most once an
// hour, and only as many as the API server can bear, whatever a namespace does.
package workloadevents

import (
	"hash/maphash"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/envgraft/envgraft/internal/expiring"
	"github.com/envgraft/envgraft/internal/fair"
	"github.com/envgraft/envgraft/internal/workload"
)

// The bounds of Events: an API server keeps each for an hour, and a cluster
// without ESO has one for every workload.
const (
	remembered = 65536
	repeat     = time.Hour
	perSecond  = 20
	burst      = 200
	// maxNote is the API server's limit of an Event's note.
	maxNote = 1024
)

// Event is what happened to a workload, for people.
type Event struct {
	// Warning says that a person has something to do.
	Warning bool
	// Reason is the Event's, by which people select; Action is what was tried.
	Reason, Action string
	Note           string
}

// Warn is an Event about what a person has to see to.
func Warn(reason, action, note string) Event {
	return Event{Warning: true, Reason: reason, Action: action, Note: note}
}

// Inform is an Event about what envgraft did.
func Inform(reason, action, note string) Event {
	return Event{Reason: reason, Action: action, Note: note}
}

// Recorder writes Events on workloads. It is safe for concurrent use.
type Recorder struct {
	events events.EventRecorder
	// said has digests of notes: 65,536 notes would be 64 MiB.
	said   *expiring.Cache[topic, uint64]
	seed   maphash.Seed
	budget *fair.Budget
}

type topic struct {
	namespace string
	workload  types.UID
	reason    string
}

// New returns a Recorder that has said nothing yet.
func New(recorder events.EventRecorder, c clock.PassiveClock) *Recorder {
	return &Recorder{
		events: recorder,
		said:   expiring.New[topic, uint64](c, remembered, repeat),
		seed:   maphash.MakeSeed(),
		budget: fair.New(c, perSecond, burst),
	}
}

// Say writes an Event, unless the last one of its reason said the same less than
// an hour ago. What is over the budget is not written; the next call tries again.
func (r *Recorder) Say(w workload.Ref, e Event) {
	key := topic{w.Namespace, w.UID, e.Reason}
	note := cut(e.Note)
	digest := maphash.String(r.seed, note)
	if last, ok := r.said.Get(key); ok && last == digest {
		return
	}
	if r.budget.Take(w.Namespace) != fair.Granted {
		return
	}
	r.said.Add(key, digest)
	kind := corev1.EventTypeNormal
	if e.Warning {
		kind = corev1.EventTypeWarning
	}
	r.events.Eventf(w.ObjectReference(), nil, kind, e.Reason, e.Action, "%s", note)
}

// Over has the next Event of these reasons written at once: what they were
// about is over.
func (r *Recorder) Over(w workload.Ref, reasons ...string) {
	for _, reason := range reasons {
		r.said.Remove(topic{w.Namespace, w.UID, reason})
	}
}

// cut shortens a note to what the API server takes, between two characters.
func cut(note string) string {
	if len(note) <= maxNote {
		return note
	}
	end := maxNote - len("…")
	for !utf8.RuneStart(note[end]) {
		end--
	}
	return note[:end] + "…"
}
