package clusterview

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// ConfigError is the kubelet's reason for a container whose Secret, ConfigMap or
// key does not exist.
const ConfigError = "CreateContainerConfigError"

// Waiting returns what keeps a pod from starting, in the words of kubelet or
// scheduler. What a missing Secret or key does comes first: the rest may be
// over in a moment.
func (p Pod) Waiting() (reason, message string) {
	containers := slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
	for _, c := range containers {
		if w := c.State.Waiting; w != nil && w.Reason == ConfigError {
			return w.Reason, w.Message
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason, c.Message
		}
	}
	for _, c := range p.Status.InitContainerStatuses {
		if c.State.Running != nil && (c.Started == nil || !*c.Started) {
			return "Init", "init container " + c.Name + " runs"
		}
	}
	for _, c := range containers {
		if w := c.State.Waiting; w != nil && w.Reason != "" && w.Reason != "PodInitializing" {
			return w.Reason, w.Message
		}
	}
	return "", ""
}
