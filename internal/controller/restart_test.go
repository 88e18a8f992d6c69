package controller

import (
	"encoding/json"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
)

// TestRest holds a workload to at most one restart in an interval, by what
// the last one wrote on it.
func TestRest(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const interval = 10 * time.Minute
	for _, kind := range []string{workload.Deployment, workload.Rollout} {
		patch, err := restartPatch(workload.Ref{Kind: kind, UID: "1"}, "/a@1", began)
		if err != nil {
			t.Fatal(err)
		}
		merged, err := jsonpatch.MergePatch([]byte(`{"kind":"`+kind+`"}`), patch)
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(merged, &object.Object); err != nil {
			t.Fatal(err)
		}
		was := restartsOf(object)
		if was.lastFor != "/a@1" {
			t.Errorf("%s: restarted for %q", kind, was.lastFor)
		}
		for _, test := range []struct {
			reason string
			after  time.Duration
			want   time.Duration
		}{
			{"at once", 0, interval},
			{"within the interval", 4 * time.Minute, 6 * time.Minute},
			{"at its end", interval, 0},
			{"by a clock that was ahead", -24 * time.Hour, interval},
		} {
			if got := was.rest(began.Add(test.after), interval); got != test.want {
				t.Errorf("%s, %s: it rests for %s, want %s", kind, test.reason, got, test.want)
			}
		}
	}
	garbled := &unstructured.Unstructured{Object: map[string]any{
		"kind": workload.Rollout, "metadata": map[string]any{"annotations": map[string]any{api.AnnotationRestartedAt: "yesterday"}},
	}}
	if got := restartsOf(garbled).rest(began, interval); got != 0 {
		t.Errorf("a time that cannot be read has it rest for %s", got)
	}
}
