package staleness

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/graft"
)

// FirstStart is when the first of a pod's running containers started; zero where none
// runs. One that starts later reads the ConfigMap then.
func FirstStart(pod *corev1.Pod) time.Time {
	var first time.Time
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Running == nil {
			continue
		}
		if at := c.State.Running.StartedAt.Time; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// MissingKeys are those that a pod's variables are bound to and that the ConfigMap of
// a name lacks, which has the keys.
func MissingKeys(pod *corev1.Pod, name string, keys []string) []string {
	var missing []string
	for _, c := range pod.Spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil || e.ValueFrom.ConfigMapKeyRef.Name != name {
				continue
			}
			ref := e.ValueFrom.ConfigMapKeyRef
			if _, found := slices.BinarySearch(keys, ref.Key); !found && (ref.Optional == nil || !*ref.Optional) {
				missing = append(missing, ref.Key)
			}
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// Shadowed are the keys of a tier that the literals of a pod or template shadow: the
// engine would bind them, were it admitted as it is.
func Shadowed(as *graft.Subject, tier graft.Tier, facts graft.Facts) []string {
	var names []string
	for _, container := range as.Graft(facts).Report.Containers {
		for _, b := range container.Rebound {
			if b.Tier == tier {
				names = append(names, b.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
