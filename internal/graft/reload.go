package graft

import "github.com/envgraft/envgraft/internal/reload"

// Reasons of what the workload webhook says and counts.
const (
	// ReasonFailed is a workload that could not be looked at, and was let through.
	ReasonFailed Reason = "Failed"
	// WarnPodsDenied goes with a workload whose pods will be denied.
	WarnPodsDenied Reason = "PodsDenied"
	// WarnReload is about a label or annotation that has no effect on a workload.
	WarnReload Reason = "Reload"
)

// ReloadNames are the objects whose changes must replace the pods decided
// upon: none where they are not injected, or reload annotations are switched
// off.
func (e *Engine) ReloadNames(d Decision) reload.Names {
	if !e.config.Reload || d.Status != StatusInjected {
		return reload.Names{}
	}
	names := reload.Names{ConfigMap: d.Identity.ConfigMap, RolloutStrategy: e.config.RolloutStrategy}
	if d.Settings.Secrets {
		names.Secret = d.Identity.Secret
	}
	return names
}
