package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// eventRefresh is the reason of Events about refreshes.
const eventRefresh = "ExternalSecretRefresh"

// actor carries out plans. Nothing else of the controller changes the cluster.
type actor struct {
	client  client.Client // not cached
	events  *workloadevents.Recorder
	queue   *restarts.Queue
	lookups *lookup.Lookups
	memory  *memory.Memory
	metrics Recorder
	clock   clock.PassiveClock
}

// carryOut carries out a plan, and says when to reconcile the app again; 0 is never.
func (a *actor) carryOut(ctx context.Context, s *plan.Snapshot, p plan.Plan) time.Duration {
	o := &outcome{actor: a, version: s.ESOVersion, wait: p.Wait}
	for _, n := range p.Notices {
		o.tell(n)
	}
	for _, remember := range p.Memories {
		remember(a.memory)
	}
	for _, r := range p.Recorded {
		a.lookups.Recorded(lookup.SubjectOf(s.App, r.Wants), r.At)
	}
	for _, step := range p.Steps {
		o.take(ctx, step)
	}
	return o.wait
}

// outcome is what comes of carrying out one plan.
type outcome struct {
	*actor

	// version is the served one of ExternalSecrets.
	version string
	wait    time.Duration
}

func (o *outcome) waitAtMost(d time.Duration) {
	if d > 0 && (o.wait == 0 || d < o.wait) {
		o.wait = d
	}
}

func (o *outcome) tell(n plan.Notice) {
	if len(n.Over) > 0 {
		o.events.Over(n.Workload, n.Over...)
		return
	}
	o.events.Say(n.Workload, n.Event)
}

// take takes a step. One that fails is reported, and tried again by itself.
func (o *outcome) take(ctx context.Context, s plan.Step) {
	err := s.Err
	for _, action := range s.Actions {
		if err == nil {
			err = o.act(ctx, action)
		}
	}
	if err == nil || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) { // its workloads are about to go, too
		if o.memory.Failed(s.Step).Times > 0 {
			o.memory.Succeed(s.Step)
			for _, w := range s.About {
				o.events.Over(w, s.Reason)
			}
		}
		return
	}
	delay := o.memory.Fail(s.Step)
	o.waitAtMost(delay)
	log.FromContext(ctx).Error(err, "A step failed; it is tried again", "step", s.What, "after", delay.String())
	if s.Reason == "" {
		return
	}
	for _, w := range s.About {
		o.events.Say(w, workloadevents.Warn(s.Reason, "Reconcile", fmt.Sprintf("cannot %s: %s; it is tried again", s.What, err)))
	}
}

func (o *outcome) act(ctx context.Context, action plan.Action) error {
	switch a := action.(type) {
	case plan.Apply:
		return o.apply(ctx, a)
	case plan.MarkUnused:
		return o.markUnused(ctx, a)
	case plan.Delete:
		return o.delete(ctx, a.ExternalSecret)
	case plan.Refresh:
		return o.refresh(ctx, a)
	case plan.Restart:
		return o.restart(ctx, a)
	}
	return fmt.Errorf("cannot carry out a %T", action)
}

func (o *outcome) apply(ctx context.Context, a plan.Apply) error {
	options := []client.ApplyOption{client.FieldOwner(api.FieldManager)}
	if !a.New {
		options = append(options, client.ForceOwnership)
	}
	name := types.NamespacedName{Namespace: a.Object.GetNamespace(), Name: a.Object.GetName()}
	if a.Changes {
		o.memory.Changed(name)
	}
	if err := o.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(a.Object), options...); err != nil {
		return fmt.Errorf("cannot apply ExternalSecret %q: %w", name.Name, err)
	}
	o.memory.SetApplied(name, memory.Applied{Fingerprint: a.Fingerprint, ResourceVersion: a.Object.GetResourceVersion(), At: o.clock.Now()})
	log.FromContext(ctx).Info("Applied ExternalSecret", "externalSecret", name.Name, "parameter", a.Parameter, "owners", a.Owners)
	for _, n := range a.Done {
		o.tell(n)
	}
	return nil
}

// reference is an empty object that names e, for patches.
func (o *outcome) reference(e *externalsecret.ExternalSecret) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(externalsecret.Group + "/" + o.version)
	object.SetKind(externalsecret.Kind)
	object.SetNamespace(e.Namespace)
	object.SetName(e.Name)
	return object
}

// annotate merges annotations into an ExternalSecret; nil removes one.
func (o *outcome) annotate(ctx context.Context, e *externalsecret.ExternalSecret, annotations map[string]any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         e.UID, // not one that took its name
		"annotations": annotations,
	}})
	if err != nil {
		return fmt.Errorf("cannot encode a patch: %w", err)
	}
	return o.client.Patch(ctx, o.reference(e), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(api.FieldManager)) //nolint:wrapcheck // callers do
}

func (o *outcome) markUnused(ctx context.Context, a plan.MarkUnused) error {
	var since any
	if a.Since != "" {
		since = a.Since
	}
	err := o.annotate(ctx, a.ExternalSecret, map[string]any{api.AnnotationUnusedSince: since})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cannot mark ExternalSecret %q as unused: %w", a.ExternalSecret.Name, err)
	}
	return nil
}

// delete deletes an ExternalSecret as it was seen: one that somebody changed
// since is looked at again.
func (o *outcome) delete(ctx context.Context, e *externalsecret.ExternalSecret) error {
	err := o.client.Delete(ctx, o.reference(e), client.Preconditions{UID: &e.UID, ResourceVersion: &e.ResourceVersion})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("cannot delete ExternalSecret %q, which nothing uses: %w", e.Name, err)
	}
	log.FromContext(ctx).Info("Deleted ExternalSecret, which nothing used any more", "externalSecret", e.Name)
	return nil
}

// refresh has ESO refresh an ExternalSecret: it does for each changed annotation.
func (o *outcome) refresh(ctx context.Context, a plan.Refresh) error {
	e := a.ExternalSecret
	annotations := map[string]any{api.ForceSync: a.Version, api.AnnotationForcedVersion: a.Version}
	if a.Record != nil {
		text, err := a.Record.String()
		if err != nil {
			return err //nolint:wrapcheck // it names the parameter
		}
		annotations[api.AnnotationKeys] = text
	}
	if err := o.annotate(ctx, e, annotations); err != nil {
		return fmt.Errorf("cannot ask for a refresh of ExternalSecret %q: %w", e.Name, err)
	}
	o.metrics.ForceSync()
	log.FromContext(ctx).Info("Asked for a refresh", "externalSecret", e.Name, "version", a.Version)
	o.events.Say(a.Workload, workloadevents.Inform(eventRefresh, "Refresh", fmt.Sprintf(
		"asked External Secrets Operator to refresh ExternalSecret %q: SSM has version %q", e.Name, a.Version)))
	return nil
}

// restart restarts a workload when its turn comes.
func (o *outcome) restart(ctx context.Context, a plan.Restart) error {
	c := a.Cause
	w := c.Workload
	if !o.mayRestart(ctx, c) {
		return nil
	}
	patch, err := rollout.Patch(w, a.Past, c.Version, o.clock.Now())
	if err != nil {
		o.queue.Withdraw(w.UID)
		return err //nolint:wrapcheck // it says what failed
	}
	if err := o.client.Patch(ctx, a.Object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(api.FieldManager)); err != nil {
		o.queue.Withdraw(w.UID)
		if n, told := c.Refused(err); told {
			log.FromContext(ctx).Error(err, "Cannot restart a workload", "kind", w.Kind, "workload", w.Name, "for", c.Version)
			o.tell(n)
			o.waitAtMost(plan.RefusedRetry)
		}
		return nil
	}
	o.metrics.Restart()
	log.FromContext(ctx).Info("Restarted workload", "kind", w.Kind, "workload", w.Name, "for", c.Version)
	o.tell(c.Restarted())
	c.Settle(o.memory)
	return nil
}
