package rollout

import (
	"encoding/json"
	"strings"
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
		patch, err := Patch(workload.Ref{Kind: kind, UID: "1"}, Past{}, "/a@1", began)
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
		was := PastOf(object)
		if !was.Has("/a@1") {
			t.Errorf("%s: restarted for %q", kind, was.Causes)
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
			if got := was.Rest(began.Add(test.after), interval); got != test.want {
				t.Errorf("%s, %s: it rests for %s, want %s", kind, test.reason, got, test.want)
			}
		}
	}
	garbled := &unstructured.Unstructured{Object: map[string]any{
		"kind": workload.Rollout, "metadata": map[string]any{"annotations": map[string]any{api.AnnotationRestartedAt: "yesterday"}},
	}}
	if got := PastOf(garbled).Rest(began, interval); got != 0 {
		t.Errorf("a time that cannot be read has it rest for %s", got)
	}
}

// restarted is a workload after a restart.
func restarted(t *testing.T, object *unstructured.Unstructured, cause string, now time.Time) *unstructured.Unstructured {
	t.Helper()
	patch, err := Patch(workload.Ref{Kind: object.GetKind(), UID: "1"}, PastOf(object), cause, now)
	if err != nil {
		t.Fatal(err)
	}
	was, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	merged, err := jsonpatch.MergePatch(was, patch)
	if err != nil {
		t.Fatal(err)
	}
	next := &unstructured.Unstructured{}
	if err := json.Unmarshal(merged, &next.Object); err != nil {
		t.Fatal(err)
	}
	return next
}

// TestCausesDoNotForgetEachOther has two reasons take turns: each is a restart
// once, and again after a day without any.
func TestCausesDoNotForgetEachOther(t *testing.T) {
	for _, kind := range []string{workload.Deployment, workload.Rollout} {
		object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
		now, restarts := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 0
		for round := range 40 {
			cause := []string{"NotInjected", "ShadowedKey of /a@1"}[round%2]
			if !PastOf(object).HasLately(cause, now) {
				object = restarted(t, object, cause, now)
				restarts++
			}
			now = now.Add(15 * time.Minute)
		}
		if restarts != 2 {
			t.Errorf("%s: %d restarts for two reasons that take turns, want 2", kind, restarts)
		}
		if now = now.Add(remembered); PastOf(object).HasLately("NotInjected", now) {
			t.Errorf("%s: a day later it is still remembered", kind)
		}
		for n := range 20 {
			object = restarted(t, object, string(rune('a'+n)), now)
		}
		if n := len(PastOf(object).Causes); n != maxCauses {
			t.Errorf("%s: %d causes are remembered, want %d", kind, n, maxCauses)
		}
	}
}

// TestVersion is the newest one, whatever stale pods it was restarted for since: a
// parameter that is made again has its first version once more.
func TestVersion(t *testing.T) {
	for causes, want := range map[string]string{
		"": "", "/a@2": "/a@2", "/a@2, /a@1": "/a@2", "NotInjected, ShadowedKey of /a@3, /a@2, /a@1": "/a@2", "NotInjected": "",
	} {
		past := Past{Causes: strings.Split(causes, causeSeparator)}
		if got := past.Version(); got != want {
			t.Errorf("%q: the version is %q, want %q", causes, got, want)
		}
	}
}

// TestRolloutUnderWay leaves a Rollout alone that is being restarted.
func TestRolloutUnderWay(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	object := restarted(t, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Rollout"}}, "/a@1", now)
	if !UnderWay(object, now.Add(time.Minute)) {
		t.Error("one that Argo Rollouts has not come to is not under way")
	}
	if UnderWay(object, now.Add(2*maxRestart)) {
		t.Error("one that Argo Rollouts does not come to is waited for without an end")
	}
	object.Object["status"] = map[string]any{"restartedAt": now.Format(time.RFC3339)}
	if UnderWay(object, now.Add(time.Minute)) {
		t.Error("one that was restarted is under way")
	}
}
