package clusterview

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/workload"
)

// TestWorkloadEvents reads the newest Events first, and no more of them and none
// longer than a page should have: whoever may create Events wrote them.
func TestWorkloadEvents(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var items []string
	for i := range 30 {
		items = append(items, fmt.Sprintf("{type: Warning, reason: R%d, message: m%d, lastTimestamp: %q}", i, i, noon.Add(time.Duration(i)*time.Second).Format(time.RFC3339)))
	}
	items = append(items, fmt.Sprintf("{type: Normal, reason: Long, message: %s, eventTime: %q}", strings.Repeat("x", 1<<20), noon.Add(time.Hour).Format(time.RFC3339)))
	r := start(t, &server{answers: map[string]string{
		"GET /api/v1/namespaces/shop/events?involvedObject.kind=Deployment,involvedObject.name=shop": "items: [" + strings.Join(items, ",") + "]",
	}})

	got := r.WorkloadEvents(t.Context(), Ref{Kind: deployments(), Namespace: "shop", Name: "shop"})

	if len(got) != 20 || got[0].Reason != "Long" || got[1].Reason != "R29" || got[19].Reason != "R11" {
		t.Fatalf("want the 20 newest of 31, the newest first, got %d: %.500v", len(got), got)
	}
	if len(got[0].Message) > bounded.Note || !got[0].At.Equal(noon.Add(time.Hour)) {
		t.Errorf("the longest has %d bytes, at %s", len(got[0].Message), got[0].At)
	}
	if none := r.WorkloadEvents(t.Context(), Ref{Kind: ofPods(workload.Kinds()[0]), Namespace: "shop", Name: "other"}); len(none) != 0 {
		t.Errorf("Events of another workload: %v", none)
	}
}
