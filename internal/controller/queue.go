package controller

import (
	"context"
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
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
func (p *pass) mayRestart(ctx context.Context, c cause) bool {
	for _, r := range p.queue.Due() {
		object, err := p.read(ctx, workloadOf(r))
		if err != nil {
			p.log(ctx).Error(err, "Cannot tell whether a restart came to its end")
			p.queue.Observe(r.UID, restarts.Unknown)
			continue
		}
		p.queue.Observe(r.UID, rollout.ProgressOf(object, r.Version))
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
		how := fmt.Sprintf("the new pods of %s, restarted for %q, do not become ready: repair it, or kubectl annotate -n %s %s/%s %s='%s' --overwrite",
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
