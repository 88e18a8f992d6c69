package rollout

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/workload"
)

// ProgressOf returns the state of a workload that was restarted for a version.
func ProgressOf(object *unstructured.Unstructured, version string) restarts.Progress {
	switch {
	case object == nil:
		return restarts.Gone
	case object.GetAnnotations()[api.AnnotationReleaseRestarts] == version:
		return restarts.Released
	case replacesNothing(object):
		return restarts.Idle
	case allReady(object):
		return restarts.Ready
	}
	return restarts.Rolling
}

// replacesNothing says that a restart replaces no pod: there is none, or people
// replace the pods and nobody knows when. Such a workload proves nothing about a
// version.
func replacesNothing(object *unstructured.Unstructured) bool {
	paused, _, err := unstructured.NestedBool(object.Object, "spec", "paused")
	strategy, _, err2 := unstructured.NestedString(object.Object, "spec", "updateStrategy", "type")
	partition, _, err3 := unstructured.NestedInt64(object.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
	if err == nil && paused || err2 == nil && strategy == "OnDelete" || err3 == nil && partition > 0 {
		return true
	}
	if object.GetKind() == workload.DaemonSet {
		wanted, found, err := unstructured.NestedInt64(object.Object, "status", "desiredNumberScheduled")
		observed, _, err2 := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
		return err == nil && err2 == nil && found && wanted == 0 && observed >= object.GetGeneration()
	}
	replicas, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
	return err == nil && found && replicas == 0
}

// UnderWay says that a workload is being restarted, by whoever, and that its new pods
// are not to be seen yet: those that there are do not show it. A Rollout that Argo
// Rollouts has not come to in an hour is not waited for.
func UnderWay(object *unstructured.Unstructured, now time.Time) bool {
	if object.GetKind() == workload.Rollout {
		at, _, err := unstructured.NestedString(object.Object, "spec", "restartAt")
		done, _, err2 := unstructured.NestedString(object.Object, "status", "restartedAt")
		began, err3 := time.Parse(time.RFC3339, at)
		return err == nil && err2 == nil && err3 == nil && at != done && now.Sub(began) < maxRestart
	}
	if replacesNothing(object) {
		return false
	}
	updated := "updatedReplicas"
	if object.GetKind() == workload.DaemonSet {
		updated = "updatedNumberScheduled"
	}
	observed, found, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	pods, _, err2 := unstructured.NestedInt64(object.Object, "status", updated)
	return err == nil && err2 == nil && found && (observed < object.GetGeneration() || pods == 0)
}

// maxRestart is how long a Rollout may take to restart.
const maxRestart = time.Hour

// allReady is what kubectl rollout status waits for.
func allReady(object *unstructured.Unstructured) bool {
	status := func(field string) int64 {
		n, _, err := unstructured.NestedInt64(object.Object, "status", field)
		if err != nil {
			return -1
		}
		return n
	}
	replicas, found, err := unstructured.NestedInt64(object.Object, "spec", "replicas")
	if err != nil || !found {
		replicas = 1
	}
	switch object.GetKind() {
	case workload.DaemonSet:
		wanted := status("desiredNumberScheduled")
		return status("observedGeneration") >= object.GetGeneration() && status("updatedNumberScheduled") >= wanted && status("numberAvailable") >= wanted
	case workload.Rollout: // a restart changes no template: its pods are of the same revision
		at, _, err := unstructured.NestedString(object.Object, "spec", "restartAt")
		done, _, err2 := unstructured.NestedString(object.Object, "status", "restartedAt")
		return err == nil && err2 == nil && at == done && status("availableReplicas") >= replicas
	case workload.StatefulSet:
		return status("observedGeneration") >= object.GetGeneration() && status("updatedReplicas") >= replicas && status("readyReplicas") >= replicas
	}
	return status("observedGeneration") >= object.GetGeneration() && status("updatedReplicas") >= replicas &&
		status("replicas") <= status("updatedReplicas") && status("availableReplicas") >= replicas
}
