// Package deploy_test compares the chart and the manifests with what the program
// needs and with the names that it knows.
package deploy_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const systemNamespace = "envgraft-system"

// helmProgram builds helm, which is pinned in test/tools, and returns its path.
var helmProgram = sync.OnceValues(func() (string, error) {
	command := exec.Command("go", "tool", "-modfile=../test/tools/helm.mod", "-n", "helm")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("cannot build helm: %w\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
})

// helm runs it, away from the configuration of the person who runs the test.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := helmProgram()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, args...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+home+"/none")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

func template(t *testing.T, args ...string) string {
	t.Helper()
	out, err := helm(t, append([]string{"template", "envgraft", "chart", "--namespace", systemNamespace, "--skip-tests"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// release is a rendering of the chart, decoded.
type release struct {
	text         string
	deployment   *appsv1.Deployment
	configMap    *corev1.ConfigMap
	services     []*corev1.Service
	webhooks     *admissionv1.MutatingWebhookConfiguration
	clusterRoles []*rbacv1.ClusterRole
	roles        []*rbacv1.Role
}

// eachRelease renders the chart with each of testdata/values.
func eachRelease(t *testing.T, check func(t *testing.T, values string, r release)) {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			check(t, name, render(t, "--values", file))
		})
	}
}

func render(t *testing.T, args ...string) release {
	t.Helper()
	r := release{text: template(t, args...)}
	for document := range strings.SplitSeq(r.text, "\n---\n") {
		r.add(t, []byte(document))
	}
	return r
}

// add decodes a document. Fields that the API does not have are errors: the API
// server would drop them in silence.
func (r *release) add(t *testing.T, document []byte) {
	t.Helper()
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	object, err := scheme.Scheme.New(kind.GroupVersionKind())
	if runtime.IsNotRegisteredError(err) {
		return // of the Prometheus operator or cert-manager
	}
	if err == nil {
		err = yaml.UnmarshalStrict(document, object)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	switch object := object.(type) {
	case *appsv1.Deployment:
		r.deployment = object
	case *corev1.ConfigMap:
		r.configMap = object
	case *corev1.Service:
		r.services = append(r.services, object)
	case *admissionv1.MutatingWebhookConfiguration:
		r.webhooks = object
	case *rbacv1.ClusterRole:
		r.clusterRoles = append(r.clusterRoles, object)
	case *rbacv1.Role:
		r.roles = append(r.roles, object)
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := read(t, file)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (go test ./deploy -update): -want, +got:\n%s", file, diff)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
