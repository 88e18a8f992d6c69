package rollout

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/restarts"
)

// TestProgress holds what counts as ready to what kubectl rollout status waits for.
func TestProgress(t *testing.T) {
	for name, tc := range map[string]struct {
		object string
		want   restarts.Progress
	}{
		"Deployment":          {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2}", restarts.Ready},
		"NotObserved":         {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, availableReplicas: 2}", restarts.Rolling},
		"OldPodsLeft":         {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, replicas: 3, updatedReplicas: 2, availableReplicas: 2}", restarts.Rolling},
		"NotAvailable":        {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 1}", restarts.Rolling},
		"NoStatus":            {"kind: Deployment\nmetadata: {generation: 2}", restarts.Rolling},
		"GarbledStatus":       {"kind: Deployment\nstatus: {observedGeneration: 2, replicas: 1, updatedReplicas: one, availableReplicas: 1}", restarts.Rolling},
		"ScaledToZero":        {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 0}\nstatus: {observedGeneration: 2}", restarts.Idle},
		"Paused":              {"kind: Deployment\nmetadata: {generation: 2}\nspec: {paused: true}", restarts.Idle},
		"StatefulSet":         {"kind: StatefulSet\nmetadata: {generation: 3}\nspec: {replicas: 2}\nstatus: {observedGeneration: 3, updatedReplicas: 2, readyReplicas: 2}", restarts.Ready},
		"StatefulSetHalf":     {"kind: StatefulSet\nmetadata: {generation: 3}\nspec: {replicas: 2}\nstatus: {observedGeneration: 3, updatedReplicas: 1, readyReplicas: 2}", restarts.Rolling},
		"OnDelete":            {"kind: StatefulSet\nspec: {updateStrategy: {type: OnDelete}}", restarts.Idle},
		"Partition":           {"kind: StatefulSet\nspec: {updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}}}", restarts.Idle},
		"DaemonSet":           {"kind: DaemonSet\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 3}", restarts.Ready},
		"DaemonSetHalf":       {"kind: DaemonSet\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 3, updatedNumberScheduled: 3, numberAvailable: 2}", restarts.Rolling},
		"NoNodes":             {"kind: DaemonSet\nmetadata: {generation: 1}\nstatus: {observedGeneration: 1, desiredNumberScheduled: 0}", restarts.Idle},
		"Rollout":             {"kind: Rollout\nspec: {replicas: 1, restartAt: a}\nstatus: {restartedAt: a, availableReplicas: 1}", restarts.Ready},
		"RolloutNotRestarted": {"kind: Rollout\nspec: {replicas: 1, restartAt: b}\nstatus: {restartedAt: a, availableReplicas: 1}", restarts.Rolling},
		"Released":            {"kind: Deployment\nmetadata: {annotations: {envgraft.dev/release-restarts: /a@2}}", restarts.Released},
		"ReleasedBefore":      {"kind: Deployment\nmetadata: {generation: 1, annotations: {envgraft.dev/release-restarts: /a@1}}", restarts.Rolling},
		"ReleasedForAlways":   {"kind: Deployment\nmetadata: {generation: 1, annotations: {envgraft.dev/release-restarts: \"*\"}}", restarts.Rolling},
	} {
		object := &unstructured.Unstructured{}
		raw, err := yaml.YAMLToJSON([]byte("apiVersion: v1\n" + tc.object))
		if err == nil {
			err = object.UnmarshalJSON(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := ProgressOf(object, "/a@2"); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	if got := ProgressOf(nil, "/a@2"); got != restarts.Gone {
		t.Errorf("what is not there is %s", got)
	}
}

// TestUnderWay finds restarts whose new pods do not exist yet.
func TestUnderWay(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		object string
		want   bool
	}{
		"AllNew":             {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, updatedReplicas: 2}", false},
		"OneNew":             {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, updatedReplicas: 1}", false},
		"NoneNew":            {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, replicas: 2}", true},
		"NotObserved":        {"kind: StatefulSet\nmetadata: {generation: 3}\nspec: {replicas: 2}\nstatus: {observedGeneration: 2, updatedReplicas: 2}", true},
		"DaemonSet":          {"kind: DaemonSet\nmetadata: {generation: 2}\nstatus: {observedGeneration: 2, desiredNumberScheduled: 1, updatedNumberScheduled: 0}", true},
		"Paused":             {"kind: Deployment\nmetadata: {generation: 2}\nspec: {paused: true}\nstatus: {observedGeneration: 1}", false},
		"NoStatus":           {"kind: Deployment\nmetadata: {generation: 2}\nspec: {replicas: 2}", false},
		"Rollout":            {"kind: Rollout\nspec: {restartAt: \"2026-01-01T11:59:00Z\"}\nstatus: {restartedAt: \"2026-01-01T10:00:00Z\"}", true},
		"RolloutOfLongAgo":   {"kind: Rollout\nspec: {restartAt: \"2026-01-01T10:00:00Z\"}\nstatus: {}", false},
		"RolloutIsRestarted": {"kind: Rollout\nspec: {restartAt: \"2026-01-01T11:59:00Z\"}\nstatus: {restartedAt: \"2026-01-01T11:59:00Z\"}", false},
	} {
		object := &unstructured.Unstructured{}
		raw, err := yaml.YAMLToJSON([]byte("apiVersion: v1\n" + tc.object))
		if err == nil {
			err = object.UnmarshalJSON(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := UnderWay(object, now); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
