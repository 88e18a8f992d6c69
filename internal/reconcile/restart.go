package reconcile

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

// restart restarts a workload whose pods started before their Secret existed:
// Reloader acts on changes of a Secret, not on its creation. It does so at
// most once for a version, and once in restarts.minInterval whatever the cause:
// the workload itself remembers both, for leaders to come.
func (p *pass) restart(ctx context.Context, c claim, version string) error {
	w := c.Workload
	if w.groupKind().Group == groupBatch {
		p.settle(c) // runs to its end, and the next run has its Secret
		return nil
	}
	if !restartable(w) {
		p.suggestRestart(w, c.Wants.Secret, "delete the pods so that they start again")
		p.settle(c)
		return nil
	}
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(w.APIVersion)
	object.SetKind(w.Kind)
	err := p.client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: w.Name}, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", w, err)
	}
	if object.GetUID() != w.UID || restartedFor(object) == version {
		p.settle(c)
		return nil
	}
	if rest := restsFor(object, p.clock.Now(), p.options.MinRestartInterval); rest > 0 {
		p.waitAtMost(rest)
		return nil
	}
	if p.options.NoRestarts || optedOut(object) {
		p.suggestRestart(w, c.Wants.Secret, fmt.Sprintf("kubectl rollout restart -n %s %s/%s", w.Namespace, strings.ToLower(w.Kind), w.Name))
		p.settle(c)
		return nil
	}
	patch, err := restartPatch(w, version, p.clock.Now())
	if err != nil {
		return err
	}
	if err := p.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(api.FieldManager)); err != nil {
		return fmt.Errorf("cannot restart %q: %w", w, err)
	}
	p.Metrics.Restart()
	p.log(ctx).Info("Restarted workload", "kind", w.Kind, "workload", w.Name, "version", version)
	p.events.inform(w, eventRestarted, "Restart", fmt.Sprintf(
		"restarted: its pods had started before Secret %q existed, which now holds %q", c.Wants.Secret, version))
	p.settle(c)
	return nil
}

// settle has these pods given no more thought.
func (p *pass) settle(c claim) {
	p.settled.Add(c.Awaiting, true, settledTTL)
}

func (p *pass) suggestRestart(w workload, secret, how string) {
	p.events.warn(w, eventNotRestarted, "Restart", fmt.Sprintf(
		"pods started before Secret %q existed and run without it: %s", secret, how))
}

func restartable(w workload) bool {
	switch gk := w.groupKind(); gk.Group {
	case groupApps:
		return gk.Kind == kindDeployment || gk.Kind == kindStatefulSet || gk.Kind == kindDaemonSet
	case groupArgo:
		return gk.Kind == kindRollout
	}
	return false
}

// optedOut says that a person wants no automatic restarts of the workload.
// A value that is not understood is taken for that, too.
func optedOut(object *unstructured.Unstructured) bool {
	annotations := object.GetAnnotations()
	reload, set := annotations[api.AnnotationReload]
	return set && reload != api.Enabled || annotations[api.ReloaderAuto] == "false"
}

// restartedFor is the version that a workload was last restarted for.
func restartedFor(object *unstructured.Unstructured) string {
	return restartAnnotation(object, api.AnnotationRestartedFor)
}

// restsFor is how long a workload is left alone after its last restart. A time
// that cannot be read, or lies ahead, was not written here, and holds up
// nothing for longer than one that was.
func restsFor(object *unstructured.Unstructured, now time.Time, interval time.Duration) time.Duration {
	last, err := time.Parse(time.RFC3339, restartAnnotation(object, api.AnnotationRestartedAt))
	if err != nil {
		return 0
	}
	return min(last.Add(interval).Sub(now), interval)
}

// restartAnnotation reads what restartPatch wrote.
func restartAnnotation(object *unstructured.Unstructured, key string) string {
	if object.GetKind() == kindRollout {
		return object.GetAnnotations()[key]
	}
	value, _, err := unstructured.NestedString(object.Object, "spec", "template", "metadata", "annotations", key)
	if err != nil {
		return ""
	}
	return value
}

// restartPatch restarts a workload as kubectl rollout restart does, and as
// kubectl argo rollouts restart does: a Rollout's template stays as it is, for
// a change of it would start a canary.
func restartPatch(w workload, version string, now time.Time) ([]byte, error) {
	at := now.UTC().Format(time.RFC3339)
	patch := map[string]any{
		"metadata": map[string]any{"uid": w.UID},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]string{
			annotationRestartedAt:      at,
			api.AnnotationRestartedFor: version,
			api.AnnotationRestartedAt:  at,
		}}}},
	}
	if w.Kind == kindRollout {
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
