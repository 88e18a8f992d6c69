// Package rollout restarts workloads as kubectl does, records the reason on them,
// and reports their progress. It has no client and no clock: objects come in, and
// patches go out.
package rollout

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
)

// annotationRestartedAt is the one that kubectl rollout restart writes, which
// GitOps tools know to leave alone.
const annotationRestartedAt = "kubectl.kubernetes.io/restartedAt"

const (
	// remembered is for how long a workload remembers what it was restarted for.
	remembered = 24 * time.Hour
	// maxCauses are remembered of a workload.
	maxCauses = 6
	// causeSeparator stands between causes. No parameter's name has it.
	causeSeparator = ", "
)

// OptedOut says that a person wants no automatic restarts of the workload.
// A value that is not understood is taken for that, too.
func OptedOut(object *unstructured.Unstructured) bool {
	annotations := object.GetAnnotations()
	reload, set := annotations[api.AnnotationReload]
	return set && reload != api.Enabled || annotations[api.ReloaderAuto] == "false"
}

// Past is what a workload remembers of its restarts by the controller.
type Past struct {
	// Causes are what it was restarted for, the newest first. Several are kept: of
	// two that take turns each would otherwise be forgotten for the other.
	Causes []string
	// Last is zero where there was none, or nobody can read when.
	Last time.Time
}

// PastOf reads what Patch wrote.
func PastOf(object *unstructured.Unstructured) Past {
	var past Past
	if causes := restartAnnotation(object, api.AnnotationRestartedFor); causes != "" {
		past.Causes = strings.Split(causes, causeSeparator)
	}
	if last, err := time.Parse(time.RFC3339, restartAnnotation(object, api.AnnotationRestartedAt)); err == nil {
		past.Last = last
	}
	return past
}

// Has says that a restart for the cause is remembered.
func (p Past) Has(cause string) bool { return slices.Contains(p.Causes, cause) }

// Version is the version of the parameter that it was last restarted for; "" for
// none. One before it says nothing: a parameter that is deleted and made again
// begins at version 1.
func (p Past) Version() string {
	for _, cause := range p.Causes {
		// Why pods were stale has a space in it or no version; no parameter's name has one.
		if strings.Contains(cause, "@") && !strings.Contains(cause, " ") {
			return cause
		}
	}
	return ""
}

// HasLately says that there was a restart for the cause, and none for a day that
// would have it forgotten.
func (p Past) HasLately(cause string, now time.Time) bool {
	return p.Has(cause) && now.Sub(p.Last) < remembered
}

// Rest is how long a workload is left alone. A time that lies ahead was not
// written here, and holds up nothing for longer than one that was.
func (p Past) Rest(now time.Time, interval time.Duration) time.Duration {
	if p.Last.IsZero() {
		return 0
	}
	return min(p.Last.Add(interval).Sub(now), interval)
}

// with are the causes that are remembered after one more restart.
func (p Past) with(cause string, now time.Time) string {
	causes := []string{cause}
	if now.Sub(p.Last) < remembered {
		for _, c := range p.Causes {
			if c != cause {
				causes = append(causes, c)
			}
		}
	}
	return strings.Join(causes[:min(len(causes), maxCauses)], causeSeparator)
}

// restartAnnotation reads what Patch wrote.
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

// Command is how a person restarts a workload, in the words of doctor.
func Command(w workload.Ref) string { return w.KindOf().RestartCommand(w.Namespace, w.Name) }

// Patch restarts a workload as kubectl rollout restart does, and as
// kubectl argo rollouts restart does: a Rollout's template stays as it is, for
// a change of it would start a canary.
func Patch(w workload.Ref, past Past, cause string, now time.Time) ([]byte, error) {
	at, causes := now.UTC().Format(time.RFC3339), past.with(cause, now)
	patch := map[string]any{
		"metadata": map[string]any{"uid": w.UID},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]string{
			annotationRestartedAt:      at,
			api.AnnotationRestartedFor: causes,
			api.AnnotationRestartedAt:  at,
		}}}},
	}
	if w.Kind == workload.Rollout {
		patch = map[string]any{
			"metadata": map[string]any{"uid": w.UID, "annotations": map[string]string{
				api.AnnotationRestartedFor: causes,
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
