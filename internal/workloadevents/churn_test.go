package workloadevents

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/test/churn"
)

// TestRecorderChurn has 100,000 workloads come and go, each with an Event that is as
// long as one may be.
func TestRecorderChurn(t *testing.T) {
	r, written, clock := newRecorder(1)
	churn.Test(t, churn.Churn{
		Come: func(n int) {
			w := workload.Ref{Kind: workload.Deployment, Namespace: fmt.Sprint("ns", n/10), Name: "web", UID: types.UID(fmt.Sprint("uid", n))}
			r.Say(w, Warn("Reason", "Sync", fmt.Sprint(n, strings.Repeat("x", maxNote))))
			select {
			case <-written.Events:
			default:
				t.Fatalf("workload %d has no Event", n)
			}
			clock.Step(864 * time.Millisecond)
		},
		Rest: func() { clock.Step(repeat) },
		Held: func() int { return r.said.Len() },
	})
}

// TestSameUID has two namespaces have a workload of one UID, as no API server does.
func TestSameUID(t *testing.T) {
	r, written, _ := newRecorder(2)
	r.Say(workload.Ref{Namespace: "a", UID: "u"}, Warn("Reason", "Sync", "wrong"))
	r.Say(workload.Ref{Namespace: "b", UID: "u"}, Warn("Reason", "Sync", "wrong"))
	if len(written.Events) != 2 {
		t.Error("an Event of another namespace's workload counts as said")
	}
}
