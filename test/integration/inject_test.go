package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/canary"
)

// plainDeployment is one as people write it, with literals that shadow a key of
// the parameter and one of the ConfigMap.
const plainDeployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: myapp, namespace: %[1]s}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: myapp}}
  template:
    metadata: {labels: {app.kubernetes.io/name: myapp}}
    spec:
      containers:
      - name: app
        image: myapp
        env:
        - {name: DEBUG, value: "true"}
        - {name: LOG_LEVEL, value: debug}
        - {name: OWN, value: "1"}
`

// injected is what inject makes of the Deployment.
func injectedDeployment(t *testing.T, ns string) string {
	t.Helper()
	parameters := filepath.Join(t.TempDir(), ns, "myapp", "stage")
	if err := os.MkdirAll(parameters, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parameters, "app.json"), []byte(canary.Object("app", "DEBUG")), 0o600); err != nil {
		t.Fatal(err)
	}
	configMap := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: myapp-config, namespace: %s}\ndata: {LOG_LEVEL: info}\n---\n", ns)
	var out, problems bytes.Buffer
	code := cli.Main(t.Context(), []string{
		"inject", "-f", "-", "--namespace-labels", "envgraft.dev/inject=enabled",
		"--parameters", strings.TrimSuffix(parameters, filepath.Join(ns, "myapp", "stage")),
	}, cmdutil.Streams{In: strings.NewReader(configMap + fmt.Sprintf(plainDeployment, ns)), Out: &out, Err: &problems})
	if code != 0 {
		t.Fatalf("inject ended with %d: %s", code, &problems)
	}
	return out.String()
}

// TestInjectedManifestsAreTaken applies what inject prints to objects that were
// made in each of the ways that people make them. Only one that was never
// applied, and so has no record of what its author wrote, is a question: a merge
// keeps its literal, and the API server takes no value beside a valueFrom.
func TestInjectedManifestsAreTaken(t *testing.T) {
	b := start(t)
	for name, made := range map[string][]string{
		"NotThere":   nil,
		"Applied":    {"apply", "-f", "-"},
		"ServerSide": {"apply", "--server-side", "-f", "-"},
		"Created":    {"create", "-f", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			ns := b.namespace(t, nil)
			if made != nil {
				b.mustRun(t, fmt.Sprintf(plainDeployment, ns), made...)
			}
			manifests := injectedDeployment(t, ns)
			for _, how := range [][]string{
				{"apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"},
				{"apply", "--dry-run=server", "-f", "-"},
				{"apply", "--server-side", "--force-conflicts", "-f", "-"},
			} {
				if _, stderr, err := b.run(t, manifests, how...); err != nil {
					t.Errorf("kubectl %s: %v: %s\n%s", strings.Join(how, " "), err, stderr, manifests)
				}
			}
			d := &appsv1.Deployment{}
			if err := b.client.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "myapp"}, d); err != nil {
				t.Fatal(err)
			}
			want := []string{"app ConfigMap/myapp-config", "app Secret/myapp-secrets", "app DEBUG Secret/myapp-secrets", "app LOG_LEVEL ConfigMap/myapp-config", "app OWN=1"}
			if diff := cmp.Diff(want, sources(&corev1.Pod{Spec: d.Spec.Template.Spec})); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
