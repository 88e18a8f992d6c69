package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// annotationRestartedAt is the one that kubectl rollout restart writes, which
// GitOps tools know to leave alone.
const annotationRestartedAt = "kubectl.kubernetes.io/restartedAt"

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
	served func(pastRestarts) bool
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
		how = restartCommand(c.Workload)
	}
	return cause{
		workload: c.Workload, parameter: c.Wants.Parameter, about: c.Awaiting, version: version,
		served: func(r pastRestarts) bool { return r.lastFor == version },
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
		p.settle(c) // runs to its end, and the next run has its Secret
		return nil
	}
	if !w.Restartable() {
		p.leave(c)
		return nil
	}
	object, err := p.read(ctx, w)
	if err != nil {
		return err
	}
	if object == nil {
		p.settle(c)
		return nil
	}
	was := restartsOf(object)
	if c.served(was) {
		p.settle(c)
		return nil
	}
	if rest := was.rest(p.clock.Now(), p.options.MinRestartInterval); rest > 0 {
		p.waitAtMost(rest)
		return nil
	}
	if p.options.NoRestarts || optedOut(object) {
		p.leave(c)
		return nil
	}
	if !p.mayRestart(ctx, c) {
		return nil
	}
	patch, err := restartPatch(w, c.version, p.clock.Now())
	if err != nil {
		return err
	}
	if err := p.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(api.FieldManager)); err != nil {
		p.queue.Withdraw(w.UID)
		return fmt.Errorf("cannot restart %q: %w", w, err)
	}
	p.Metrics.Restart()
	p.log(ctx).Info("Restarted workload", "kind", w.Kind, "workload", w.Name, "for", c.version)
	p.events.Say(w, workloadevents.Inform(c.done.reason, "Restart", c.done.note))
	p.settle(c)
	return nil
}

// settle has these pods given no more thought.
func (p *pass) settle(c cause) {
	p.settled.Add(c.about, true, settledTTL)
}

// leave tells people to do it.
func (p *pass) leave(c cause) {
	p.events.Say(c.workload, workloadevents.Warn(c.left.reason, "Restart", c.left.note))
	p.settle(c)
}

// read returns a workload as it is; nil where it is gone.
func (p *pass) read(ctx context.Context, w workload.Ref) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(w.APIVersion)
	object.SetKind(w.Kind)
	err := p.client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: w.Name}, object)
	if apierrors.IsNotFound(err) || err == nil && object.GetUID() != w.UID {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", w, err)
	}
	return object, nil
}

// optedOut says that a person wants no automatic restarts of the workload.
// A value that is not understood is taken for that, too.
func optedOut(object *unstructured.Unstructured) bool {
	annotations := object.GetAnnotations()
	reload, set := annotations[api.AnnotationReload]
	return set && reload != api.Enabled || annotations[api.ReloaderAuto] == "false"
}

// pastRestarts is what a workload remembers of those by the controller.
type pastRestarts struct {
	lastFor string
	last    time.Time // zero where there was none, or nobody can read when
}

func restartsOf(object *unstructured.Unstructured) pastRestarts {
	r := pastRestarts{lastFor: restartAnnotation(object, api.AnnotationRestartedFor)}
	if last, err := time.Parse(time.RFC3339, restartAnnotation(object, api.AnnotationRestartedAt)); err == nil {
		r.last = last
	}
	return r
}

// rest is how long a workload is left alone. A time that lies ahead was not
// written here, and holds up nothing for longer than one that was.
func (r pastRestarts) rest(now time.Time, interval time.Duration) time.Duration {
	if r.last.IsZero() {
		return 0
	}
	return min(r.last.Add(interval).Sub(now), interval)
}

// restartAnnotation reads what restartPatch wrote.
func restartAnnotation(object *unstructured.Unstructured, key string) string {
	if object.GetKind() == workload.Rollout {
		return object.GetAnnotations()[key]
	}
	value, _, err := unstructured.NestedString(object.Object, "spec", "template", "metadata", "annotations", key)
	if err != nil {
		return ""
	}
	return value
}

// restartCommand is how a person restarts a workload.
func restartCommand(w workload.Ref) string {
	if w.Kind == workload.Rollout {
		return fmt.Sprintf("kubectl argo rollouts restart -n %s %s", w.Namespace, w.Name)
	}
	return fmt.Sprintf("kubectl rollout restart -n %s %s/%s", w.Namespace, strings.ToLower(w.Kind), w.Name)
}

// restartPatch restarts a workload as kubectl rollout restart does, and as
// kubectl argo rollouts restart does: a Rollout's template stays as it is, for
// a change of it would start a canary.
func restartPatch(w workload.Ref, version string, now time.Time) ([]byte, error) {
	at := now.UTC().Format(time.RFC3339)
	patch := map[string]any{
		"metadata": map[string]any{"uid": w.UID},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]string{
			annotationRestartedAt:      at,
			api.AnnotationRestartedFor: version,
			api.AnnotationRestartedAt:  at,
		}}}},
	}
	if w.Kind == workload.Rollout {
		patch = map[string]any{
			"metadata": map[string]any{"uid": w.UID, "annotations": map[string]string{
				api.AnnotationRestartedFor: version,
				api.AnnotationRestartedAt:  at,
			}},
			"spec": map[string]any{"restartAt": at},
		}
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("cannot encode a patch: %w", err)
	}
	return raw, nil
}
