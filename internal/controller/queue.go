package controller

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// Reasons of Events about restarts that wait.
const (
	eventWaits = "RestartWaitsForWindow"
	eventHeld  = "RestartsBlocked"
)

// mayRestart asks the queue whether a workload may be restarted now, once it
// was told how those before it fare. Who waits is reconciled again.
func (p *pass) mayRestart(ctx context.Context, c cause) bool {
	for _, r := range p.queue.Due() {
		object, err := p.read(ctx, workloadOf(r))
		if err != nil {
			p.log(ctx).Error(err, "Cannot tell whether a restart came to its end")
			continue
		}
		p.queue.Observe(r.UID, progressOf(object, r.Version))
	}
	w := c.workload
	d := p.queue.Ask(restarts.Request{
		UID: w.UID, APIVersion: w.APIVersion, Kind: w.Kind, Name: w.Name,
		Group: restarts.Group{Namespace: w.Namespace, Parameter: c.parameter}, Version: c.version,
	})
	p.waitAtMost(d.Wait)
	switch d.Reason {
	case "":
		p.events.Over(w, eventWaits, eventHeld)
		return true
	case restarts.Window:
		p.events.Say(w, workloadevents.Inform(eventWaits, "Restart", fmt.Sprintf("to be restarted for %q when a window of restarts.windows begins", c.version)))
	case restarts.Held:
		how := fmt.Sprintf("the new pods of %s, restarted for %q, do not get ready: mend it, or kubectl annotate -n %s %s/%s %s='%s' --overwrite",
			workloadOf(d.By), d.By.Version, w.Namespace, strings.ToLower(d.By.Kind), d.By.Name, api.AnnotationReleaseRestarts, d.By.Version)
		p.events.Say(w, workloadevents.Warn(eventHeld, "Restart", "not restarted: "+how))
		p.events.Say(workloadOf(d.By), workloadevents.Warn(eventHeld, "Restart", "others of the parameter are not restarted: "+how))
	case restarts.Turn:
	}
	return false
}

func workloadOf(r restarts.Request) workload.Ref {
	return workload.Ref{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Group.Namespace, Name: r.Name, UID: r.UID}
}

// progressOf says how a workload fares that was restarted for a version.
func progressOf(object *unstructured.Unstructured, version string) restarts.Progress {
	switch {
	case object == nil:
		return restarts.Gone
	case object.GetAnnotations()[api.AnnotationReleaseRestarts] == version:
		return restarts.Released
	case replacesNothing(object), allReady(object):
		return restarts.Ready
	}
	return restarts.Rolling
}

// replacesNothing says that a person replaces the pods, of whom nobody knows
// when he does.
func replacesNothing(object *unstructured.Unstructured) bool {
	paused, _, err := unstructured.NestedBool(object.Object, "spec", "paused")
	strategy, _, err2 := unstructured.NestedString(object.Object, "spec", "updateStrategy", "type")
	partition, _, err3 := unstructured.NestedInt64(object.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
	return err == nil && paused || err2 == nil && strategy == "OnDelete" || err3 == nil && partition > 0
}

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
