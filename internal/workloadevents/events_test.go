package workloadevents

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/envgraft/envgraft/internal/workload"
)

func newRecorder(size int) (*Recorder, *events.FakeRecorder, *clocktesting.FakeClock) {
	written, clock := events.NewFakeRecorder(size), clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return New(written, clock), written, clock
}

func TestSay(t *testing.T) {
	r, written, clock := newRecorder(10)
	w := workload.Ref{Kind: workload.Deployment, Name: "web", UID: "u1"}

	r.Say(w, Warn("Reason", "Sync", "100% wrong"))
	r.Say(w, Warn("Reason", "Sync", "100% wrong")) // the same again
	r.Say(w, Warn("Reason", "Sync", "wrong in another way"))
	r.Say(workload.Ref{UID: "u2"}, Inform("Reason", "Sync", "somebody else"))
	r.Over(w, "Reason")
	r.Say(w, Warn("Reason", "Sync", "wrong in another way")) // after it was healed
	clock.Step(repeat + time.Second)
	r.Say(w, Warn("Reason", "Sync", "wrong in another way"))
	close(written.Events)

	var got []string
	for e := range written.Events {
		got = append(got, e)
	}
	want := []string{
		"Warning Reason 100% wrong", "Warning Reason wrong in another way", "Normal Reason somebody else",
		"Warning Reason wrong in another way", "Warning Reason wrong in another way",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Events (-want +got):\n%s", diff)
	}
}

// TestLongNotes holds the same long note to one Event, cut where a character ends.
func TestLongNotes(t *testing.T) {
	r, written, _ := newRecorder(10)
	w := workload.Ref{UID: "u1"}
	for range 3 {
		r.Say(w, Warn("Reason", "Sync", strings.Repeat("é", 2000)))
	}
	close(written.Events)
	var got []string
	for e := range written.Events {
		got = append(got, strings.TrimPrefix(e, "Warning Reason "))
	}
	if len(got) != 1 || len(got[0]) > maxNote || !utf8.ValidString(got[0]) || !strings.HasSuffix(got[0], "…") {
		t.Errorf("got %d Events, the first of %d bytes", len(got), len(strings.Join(got[:1], "")))
	}
}

// TestOneNamespaceLeavesEventsToOthers has a namespace of many workloads say more
// than the budget has, and then another one say its first word.
func TestOneNamespaceLeavesEventsToOthers(t *testing.T) {
	r, written, _ := newRecorder(10 * burst)
	for n := range 5 * burst {
		r.Say(workload.Ref{Namespace: "noisy", UID: types.UID(fmt.Sprint(n))}, Warn("Reason", "Sync", "wrong"))
	}
	if got := len(written.Events); got != burst/2 {
		t.Errorf("one namespace wrote %d Events at once, want half of %d", got, burst)
	}
	before := len(written.Events)
	r.Say(workload.Ref{Namespace: "quiet", UID: "q"}, Warn("Reason", "Sync", "wrong"))
	if got := len(written.Events); got != before+1 {
		t.Error("the other namespace could write none")
	}
}
