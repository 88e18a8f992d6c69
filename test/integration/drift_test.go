package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
)

// TestNoDriftOfTheAuthorsReloaderValue has a GitOps tool apply a workload with
// an annotation of Reloader's in git, which the webhook appends to: what such a
// tool compares, the dry run of its own apply, must find nothing to do.
func TestNoDriftOfTheAuthorsReloaderValue(t *testing.T) {
	b := start(t)
	namespace := b.namespace(t, map[string]string{api.LabelInject: api.Enabled})
	manifest := fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: %s
  annotations: {%s: db-creds}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: shop}}
  template:
    metadata: {labels: {app.kubernetes.io/name: shop}}
    spec: {containers: [{name: app, image: app}]}
`, namespace, api.ReloaderSecret)
	apply := []string{"--server-side", "--force-conflicts", "--field-manager=argocd-controller", "-f", "-"}
	value := func() string {
		out, _ := b.mustRun(t, "", "get", "deployment", "shop", "-n", namespace, "-o", "jsonpath={.metadata.annotations}")
		return out
	}

	b.mustRun(t, manifest, append([]string{"apply"}, apply...)...)
	first := value()
	if !strings.Contains(first, `"db-creds,shop-secrets"`) {
		t.Fatalf("annotations: %s", first)
	}
	// kubectl diff ends with 1 where there is a difference.
	if out, stderr, err := b.run(t, manifest, append([]string{"diff"}, apply...)...); err != nil {
		t.Errorf("the manifest drifts: %v\n%s%s", err, out, stderr)
	}
	b.mustRun(t, manifest, append([]string{"apply"}, apply...)...)
	if again := value(); again != first {
		t.Errorf("a second apply changes the annotations: %s, were %s", again, first)
	}

	// The author's next value counts, and ours is still there.
	changed := strings.Replace(manifest, "db-creds", "db-creds-2", 1)
	if _, _, err := b.run(t, changed, append([]string{"diff"}, apply...)...); err == nil {
		t.Error("a change by the author shows no difference")
	}
	b.mustRun(t, changed, append([]string{"apply"}, apply...)...)
	if got := value(); !strings.Contains(got, `"db-creds-2,shop-secrets"`) {
		t.Errorf("annotations: %s", got)
	}
}
