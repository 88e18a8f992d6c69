package doctor

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
)

// TestReloaderOfRollouts holds that Reloader must have been told of Argo
// Rollouts where the workload is one: it restarts none otherwise, and says so nowhere.
func TestReloaderOfRollouts(t *testing.T) {
	settings := config.Default()
	for name, tc := range map[string]struct {
		kind    string
		args    []string
		release string
		want    Status
		fix     string
	}{
		"Deployment": {"Deployment", nil, "", OK, ""},
		"Helm": {"Rollout", nil, "ops", Broken, "helm upgrade --install --repo https://stakater.github.io/stakater-charts " +
			"--namespace infra ops reloader --reuse-values --set reloader.isArgoRollouts=true"},
		"Manifest": {"Rollout", nil, "", Broken, "kubectl -n infra edit deployment/ops-reloader"},
		"Told":     {"Rollout", []string{"--is-Argo-Rollouts=true"}, "ops", OK, ""},
	} {
		var reloader clusterview.Deployment
		reloader.Metadata.Name, reloader.Metadata.Namespace = "ops-reloader", "infra"
		if tc.release != "" {
			reloader.Metadata.Annotations = map[string]string{"meta.helm.sh/release-name": tc.release}
		}
		reloader.Status.ReadyReplicas, reloader.Status.Replicas = 1, 1
		reloader.Spec.Template.Spec.Containers = []corev1.Container{{Args: tc.args}}
		p := Patient{App: &clusterview.App{Subject: &graft.Subject{}}, Settings: clusterview.Settings{Configuration: settings}}
		ref, err := clusterview.ParseRef("shop", tc.kind+"/web")
		if err != nil {
			t.Fatal(err)
		}
		p.App.Workload.Ref = ref
		p.App.Subject.Status = graft.StatusInjected
		p.Operators = clusterview.Seen[clusterview.Operators]{State: clusterview.Found, Value: clusterview.Operators{Reloader: []clusterview.Deployment{reloader}}}
		f := checkReloader(p)
		if f.Status != tc.want || f.Fix != tc.fix {
			t.Errorf("%s: it is %q: %s, want %q; the fix is\n%s, want\n%s", name, f.Status, f.Message, tc.want, f.Fix, tc.fix)
		}
	}
}
