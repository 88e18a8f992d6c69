package integration

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestOptionalBindings has the API server take pods in which a name stands
// twice, as a literal and as an optional key behind it, however they are made.
func TestOptionalBindings(t *testing.T) {
	b := start(t)
	want := []string{
		"app ConfigMap/myapp-config", "app Secret/myapp-secrets", "app DEBUG Secret/myapp-secrets",
		"app LOG_LEVEL=debug", "app LOG_LEVEL ConfigMap/myapp-config", "app OWN=1",
	}
	manifest := func(ns string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"one","namespace":%q,"labels":{"app.kubernetes.io/name":"myapp"}},
			"spec":{"containers":[{"name":"app","image":"i","env":[
				{"name":"DEBUG","value":"true"},{"name":"LOG_LEVEL","value":"debug"},{"name":"OWN","value":"1"}]}]}}`, ns)
	}
	for name, args := range map[string][]string{
		"Create":          {"create", "-f", "-"},
		"Apply":           {"apply", "-f", "-"},
		"ServerSideApply": {"apply", "--server-side", "-f", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			ns := b.namespace(t, optedIn())
			b.app(t, ns)
			b.mustRun(t, manifest(ns), args...)
			var p corev1.Pod
			if err := b.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "one"}, &p); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, sources(&p)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			// What was read may be created again: nothing is doubled twice.
			again := &corev1.Pod{Spec: p.Spec}
			again.Namespace, again.Name, again.Labels, again.Annotations = ns, "again", p.Labels, p.Annotations
			if err := b.client.Create(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, sources(again)); diff != "" {
				t.Errorf("of a pod that was injected before: -want, +got:\n%s", diff)
			}
		})
	}
}
