package reload

import "github.com/envgraft/envgraft/internal/api"

// The rule: Reloader changes a Rollout's pod template when a Secret changes,
// which starts a canary of the very version that runs: it stops at the first
// step that pauses, with some pods on the old values and some on the new. By an
// annotation on the Rollout's metadata it sets spec.restartAt instead, as
// kubectl argo rollouts restart does; see stakater/Reloader#591 and
// UpdateRollout in its internal/pkg/callbacks/rolling_upgrade.go.

// The strategies that Reloader knows. It takes every other for the second.
const (
	StrategyRestart = "restart"
	StrategyRollout = "rollout"
)

// withStrategy writes the strategy, unless the author chose one.
func withStrategy(annotations map[string]string, written record, strategy string) (map[string]string, record) {
	if _, chosen := annotations[api.ReloaderRolloutStrategy]; chosen || strategy == "" {
		return annotations, written
	}
	want := clone(annotations)
	want[api.ReloaderRolloutStrategy] = strategy
	written.Strategy = strategy
	return want, written
}

// revertStrategy removes the strategy if it is as we wrote it and nobody sent
// it since.
func (r *record) revertStrategy(annotations map[string]string, authors authors) {
	value, ok := annotations[api.ReloaderRolloutStrategy]
	if ok && r.Strategy != "" && value == r.Strategy && !authors.sentAnnotation(api.ReloaderRolloutStrategy) {
		delete(annotations, api.ReloaderRolloutStrategy)
	}
}
