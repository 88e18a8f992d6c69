package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/events"

	"github.com/envgraft/envgraft/internal/workload"
)

func TestAnnouncer(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	a := newAnnouncer(recorder)
	w := workload.Ref{Kind: workload.Deployment, Name: "web", UID: "u1"}

	a.warn(w, "Reason", "Sync", "100% wrong")
	a.warn(w, "Reason", "Sync", "100% wrong") // the same again
	a.warn(w, "Reason", "Sync", "wrong in another way")
	a.warn(workload.Ref{UID: "u2"}, "Reason", "Sync", "wrong in another way")
	a.over(w, "Reason")
	a.warn(w, "Reason", "Sync", "wrong in another way") // after it was healed
	close(recorder.Events)

	var got []string
	for e := range recorder.Events {
		got = append(got, e)
	}
	want := []string{
		"Warning Reason 100% wrong", "Warning Reason wrong in another way",
		"Warning Reason wrong in another way", "Warning Reason wrong in another way",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Events (-want +got):\n%s", diff)
	}
}
