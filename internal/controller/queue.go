package controller

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// Reasons of Events about restarts that wait.
const (
	eventWaits = "RestartWaitsForWindow"
	eventHeld  = "RestartsBlocked"
)

// mayRestart asks the queue whether a workload may be restarted now, once it
// knows the state of those before it. A workload that waits is reconciled again.
func (o *outcome) mayRestart(ctx context.Context, c plan.Cause) bool {
	for _, r := range o.queue.Due() {
		object, err := readWorkload(ctx, o.client, workloadOf(r))
		if err != nil {
			log.FromContext(ctx).Error(err, "Cannot tell whether a restart came to its end")
			o.queue.Observe(r.UID, restarts.Unknown)
			continue
		}
		o.queue.Observe(r.UID, rollout.ProgressOf(object, r.Version))
	}
	w := c.Workload
	d := o.queue.Ask(restarts.Request{
		UID: w.UID, APIVersion: w.APIVersion, Kind: w.Kind, Name: w.Name,
		Group: restarts.Group{Namespace: w.Namespace, Parameter: c.Parameter}, Version: c.Version,
	})
	o.waitAtMost(d.Wait)
	switch d.Reason {
	case "":
		o.events.Over(w, eventWaits, eventHeld)
		return true
	case restarts.Window:
		o.events.Say(w, workloadevents.Inform(eventWaits, "Restart", fmt.Sprintf("to be restarted for %q when a window of restarts.windows begins", c.Version)))
	case restarts.Held:
		how := fmt.Sprintf("the new pods of %s, restarted for %q, do not become ready: repair it, or kubectl annotate -n %s %s/%s %s='%s' --overwrite",
			workloadOf(d.By), d.By.Version, w.Namespace, strings.ToLower(d.By.Kind), d.By.Name, api.AnnotationReleaseRestarts, d.By.Version)
		o.events.Say(w, workloadevents.Warn(eventHeld, "Restart", "not restarted: "+how))
		o.events.Say(workloadOf(d.By), workloadevents.Warn(eventHeld, "Restart", "others of the parameter are not restarted: "+how))
	case restarts.Turn:
	}
	return false
}

func workloadOf(r restarts.Request) workload.Ref {
	return workload.Ref{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Group.Namespace, Name: r.Name, UID: r.UID}
}
