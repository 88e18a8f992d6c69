package workload_test

import (
	"testing"

	"github.com/envgraft/envgraft/internal/workload"
)

// TestRestartCommand has a command for each kind that can be restarted, and for
// no other.
func TestRestartCommand(t *testing.T) {
	want := map[string]string{
		workload.Deployment:  "kubectl rollout restart -n shop deployment/web",
		workload.StatefulSet: "kubectl rollout restart -n shop statefulset/web",
		workload.DaemonSet:   "kubectl rollout restart -n shop daemonset/web",
		workload.Rollout:     `kubectl patch -n shop rollouts.argoproj.io/web --type merge -p "{\"spec\":{\"restartAt\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}}"`,
	}
	for _, k := range workload.Kinds() {
		if got := k.RestartCommand("shop", "web"); got != want[k.Kind] {
			t.Errorf("a %s is restarted by %q, want %q", k.Kind, got, want[k.Kind])
		}
	}
}
