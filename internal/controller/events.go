package controller

import (
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/tools/events"

	"github.com/envgraft/envgraft/internal/workload"
)

// The bounds of Events: an API server keeps each for an hour, and a cluster
// without ESO has one for every workload.
const (
	eventsRemembered = 65536
	eventRepeat      = time.Hour
	eventsPerSecond  = 20
	eventsBurst      = 200
	// maxNote is the API server's limit of an Event's note.
	maxNote = 1024
)

// announcer writes Events on workloads, the same one once an hour at most,
// however often a workload is reconciled.
type announcer struct {
	recorder events.EventRecorder
	said     *utilcache.LRUExpireCache
	budget   *rate.Limiter
}

type topic struct {
	workload types.UID
	reason   string
}

func newAnnouncer(recorder events.EventRecorder) *announcer {
	return &announcer{
		recorder: recorder,
		said:     utilcache.NewLRUExpireCache(eventsRemembered),
		budget:   rate.NewLimiter(eventsPerSecond, eventsBurst),
	}
}

func (a *announcer) warn(w workload.Ref, reason, action, note string) {
	a.say(w, corev1.EventTypeWarning, reason, action, note)
}

func (a *announcer) inform(w workload.Ref, reason, action, note string) {
	a.say(w, corev1.EventTypeNormal, reason, action, note)
}

func (a *announcer) say(w workload.Ref, kind, reason, action, note string) {
	key := topic{w.UID, reason}
	if last, ok := a.said.Get(key); ok && last == note {
		return
	}
	if !a.budget.Allow() {
		return // not remembered as said, so a later reconcile says it
	}
	a.said.Add(key, note, eventRepeat)
	if len(note) > maxNote {
		note = note[:maxNote-len("…")] + "…"
	}
	a.recorder.Eventf(w.ObjectReference(), nil, kind, reason, action, "%s", note)
}

// over has the next Event of these reasons written at once: what they were
// about was healed in between.
func (a *announcer) over(w workload.Ref, reasons ...string) {
	for _, reason := range reasons {
		a.said.Remove(topic{w.UID, reason})
	}
}
