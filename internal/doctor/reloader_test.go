package doctor

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/live"
)

// TestReloaderOfRollouts holds that Reloader must have been told of Argo
// Rollouts where the workload is one: it restarts none otherwise, and says so nowhere.
func TestReloaderOfRollouts(t *testing.T) {
	settings := config.Default()
	for name, tc := range map[string]struct {
		kind string
		args []string
		want Status
	}{
		"Deployment":    {"Deployment", nil, OK},
		"DeafToRollout": {"Rollout", nil, Broken},
		"Rollout":       {"Rollout", []string{"--is-Argo-Rollouts=true"}, OK},
	} {
		var reloader live.Deployment
		reloader.Metadata.Name, reloader.Metadata.Namespace = "reloader", "reloader"
		reloader.Status.ReadyReplicas, reloader.Status.Replicas = 1, 1
		reloader.Spec.Template.Spec.Containers = []corev1.Container{{Args: tc.args}}
		p := Patient{App: &live.App{Subject: &graft.Subject{}}, Settings: live.Settings{Configuration: settings}}
		p.App.Workload.Kind.Kind = tc.kind
		p.App.Subject.Status = graft.StatusInjected
		p.Operators = live.Seen[live.Operators]{State: live.Found, Value: live.Operators{Reloader: []live.Deployment{reloader}}}
		f := checkReloader(p)
		if f.Status != tc.want {
			t.Errorf("%s: it is %q: %s, want %q", name, f.Status, f.Message, tc.want)
		}
		if f.Status == Broken && !strings.Contains(f.Fix, "reloader.isArgoRollouts=true") {
			t.Errorf("%s: the fix is %q", name, f.Fix)
		}
	}
}
