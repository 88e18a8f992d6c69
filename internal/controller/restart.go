package controller

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// Reasons of Events about restarts and refreshes.
const (
	eventRefresh      = "ExternalSecretRefresh"
	eventRestarted    = "RestartedForSecret"
	eventNotRestarted = "SecretAppearedWithoutRestart"
)

const settledTTL = 24 * time.Hour

// cause is why a workload is to be restarted.
type cause struct {
	workload workload.Ref
	// parameter is what holds it together with other workloads.
	parameter string
	// about is settled when there is no more to think of.
	about any
	// version is what the workload is said to be restarted for.
	version string
	// served says that a restart for this was, and that there is no other.
	served func(rollout.Past) bool
	// done and left are the Events: that it was restarted, and that somebody
	// else has to.
	done, left event
}

// event is one on a workload.
type event struct{ reason, note string }

// appeared is the cause of a restart of a workload whose pods started before
// their Secret existed: Reloader acts on changes of a Secret, not on its
// creation. There is one for a version.
func appeared(c claim, version string) cause {
	how := "delete the pods so that they start again"
	if c.Workload.Restartable() {
		how = rollout.Command(c.Workload)
	}
	return cause{
		workload: c.Workload, parameter: c.Wants.Parameter, about: c.Awaiting, version: version,
		served: func(past rollout.Past) bool { return past.Version() == version },
		done: event{eventRestarted, fmt.Sprintf(
			"restarted: its pods had started before Secret %q existed, which now holds %q", c.Wants.Secret, version)},
		left: event{eventNotRestarted, fmt.Sprintf(
			"pods started before Secret %q existed and run without it: %s", c.Wants.Secret, how)},
	}
}

// restart restarts a workload, at most once in restarts.minInterval whatever
// the cause: the workload itself remembers, for leaders to come.
func (p *pass) restart(ctx context.Context, c cause) error {
	w := c.workload
	if w.GroupKind().Group == workload.GroupBatch {
		p.forget(c) // runs to its end, and the next run has its Secret
		return nil
	}
	if !w.Restartable() {
		p.leave(c)
		return nil
	}
	object, err := p.read(ctx, w)
	if err != nil {
		return p.refused(ctx, c, err)
	}
	if object == nil {
		p.forget(c)
		return nil
	}
	was := rollout.PastOf(object)
	if c.served(was) {
		p.forget(c)
		return nil
	}
	if rest := was.Rest(p.clock.Now(), p.options.MinRestartInterval); rest > 0 {
		p.waitAtMost(rest)
		return nil
	}
	if rollout.UnderWay(object, p.clock.Now()) {
		p.waitAtMost(restarts.Poll)
		return nil
	}
	if p.options.NoRestarts || rollout.OptedOut(object) {
		p.leave(c)
		return nil
	}
	if !p.mayRestart(ctx, c) {
		return nil
	}
	patch, err := rollout.Patch(w, was, c.version, p.clock.Now())
	if err != nil {
		return err
	}
	if err := p.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(api.FieldManager)); err != nil {
		p.queue.Withdraw(w.UID)
		return p.refused(ctx, c, err)
	}
	p.Metrics.Restart()
	p.log(ctx).Info("Restarted workload", "kind", w.Kind, "workload", w.Name, "for", c.version)
	p.events.Say(w, workloadevents.Inform(c.done.reason, "Restart", c.done.note))
	p.forget(c)
	return nil
}

// refusedRetry is when a restart that failed is tried again.
const refusedRetry = time.Minute

// refused reports a restart that failed on its workload, and has it tried again. A
// policy or a quota that refuses it must not keep the app from its ExternalSecret.
func (p *pass) refused(ctx context.Context, c cause, err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone, or another has its name: its row brings us back
	}
	p.log(ctx).Error(err, "Cannot restart a workload", "kind", c.workload.Kind, "workload", c.workload.Name, "for", c.version)
	p.events.Say(c.workload, workloadevents.Warn(c.left.reason, "Restart", fmt.Sprintf("%s (envgraft cannot restart it: %s)", c.left.note, err)))
	p.waitAtMost(refusedRetry)
	return nil
}

// forget has these pods not considered again for a while.
func (p *pass) forget(c cause) {
	p.settled.Add(c.about, true, settledTTL)
}

// leave tells people to do it.
func (p *pass) leave(c cause) {
	p.events.Say(c.workload, workloadevents.Warn(c.left.reason, "Restart", c.left.note))
	p.forget(c)
}

// read returns a workload as it is; nil where it is gone.
func (p *pass) read(ctx context.Context, w workload.Ref) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(w.APIVersion)
	object.SetKind(w.Kind)
	err := p.client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: w.Name}, object)
	if apierrors.IsNotFound(err) || err == nil && w.UID != "" && object.GetUID() != w.UID {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", w, err)
	}
	return object, nil
}
