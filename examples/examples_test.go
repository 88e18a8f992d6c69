package examples_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// TestInjected holds what comes of each example: by workload its parameter, with
// the names of the objects that its pods take their environment from.
func TestInjected(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want map[string]string
	}{
		"fastapi": {[]string{"-f", "fastapi", "--parameters", "fastapi/parameters"}, map[string]string{
			"Deployment/myapp":      "/popapps/myapp/stage/app: myapp-config, myapp-secrets",
			"Pod/myapp-6c8f5d7b9d-": "/popapps/myapp/stage/app: myapp-config, myapp-secrets",
		}},
		"statefulset": {[]string{"-f", "statefulset"}, map[string]string{
			"StatefulSet/broker": "/queue/broker/stage/app: broker-config, broker-secrets, broker-config, broker-secrets",
		}},
		"cronjob": {[]string{"-f", "cronjob"}, map[string]string{
			"CronJob/nightly": "/reports/nightly/stage/app: nightly-config, nightly-secrets",
		}},
		"several-apps": {[]string{"-f", "several-apps"}, map[string]string{
			"Deployment/web":        "/shop/web/stage/app: web-config, web-secrets",
			"Deployment/web-worker": "/shop/web/stage/app: web-config, web-secrets",
			"Deployment/search":     ": search-config",
			"Deployment/redis":      ": ",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, environments(t, run(t, "", append([]string{"inject"}, tc.args...)...))); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestChart renders the FastAPI app's chart for each environment, as its
// Makefile does, and injects what comes of it.
func TestChart(t *testing.T) {
	for environment, policy := range map[string]string{"stage": "", "prod": "Retain"} {
		t.Run(environment, func(t *testing.T) {
			manifests := helm(t, "template", "myapp", "fastapi-helm/chart", "--namespace", "popapps",
				"--values", "fastapi-helm/chart/values-"+environment+".yaml")
			out := run(t, manifests, "inject", "-f", "-", "-n", "popapps", "--parameters", "fastapi/parameters",
				"--namespace-labels", "envgraft.dev/inject=enabled,envgraft.dev/system=popapps,envgraft.dev/environment="+environment)
			want := map[string]string{"Deployment/myapp": "/popapps/myapp/" + environment + "/app: myapp-config, myapp-secrets"}
			if diff := cmp.Diff(want, environments(t, out)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			deployment := objects(t, out)[1]
			annotations, _, _ := unstructured.NestedStringMap(deployment, "spec", "template", "metadata", "annotations")
			if annotations[api.AnnotationDeletionPolicy] != policy {
				t.Errorf("the deletion policy is %q, want %q", annotations[api.AnnotationDeletionPolicy], policy)
			}
			if strings.Contains(out, `value: "true"`) {
				t.Errorf("the developer's DEBUG shadows the parameter's:\n%s", out)
			}
		})
	}
}

// TestChartSwitches holds the values to the annotations that they stand for.
func TestChartSwitches(t *testing.T) {
	for set, want := range map[string]string{
		"enabled=false":         "envgraft.dev/secrets: disabled",
		"enabled=true":          "envgraft.dev/secrets: enabled",
		"refreshInterval=7m":    `envgraft.dev/refresh-interval: "7m"`,
		"deletionPolicy=Retain": `envgraft.dev/deletion-policy: "Retain"`,
	} {
		rendered := helm(t, "template", "myapp", "fastapi-helm/chart", "--set", "platform.secrets.external."+set)
		if !strings.Contains(rendered, want) {
			t.Errorf("--set platform.secrets.external.%s renders no %q", set, want)
		}
	}
}

func helm(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", append([]string{"tool", "-modfile=../test/tools/helm.mod", "helm"}, args...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

func run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), args, cmdutil.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs}); code != 0 {
		t.Fatalf("envgraft %s: exit code %d\n%s", strings.Join(args, " "), code, &errs)
	}
	return out.String()
}

func objects(t *testing.T, text string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for document := range strings.SplitSeq("\n"+text, "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%v:\n%s", err, document)
		}
		if object != nil {
			all = append(all, object)
		}
	}
	return all
}

// environments reads from manifests what envgraft wrote into them.
func environments(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, object := range objects(t, text) {
		u := unstructured.Unstructured{Object: object}
		path := map[string][]string{
			"Pod": {}, "Deployment": {"spec", "template"}, "StatefulSet": {"spec", "template"},
			"CronJob": {"spec", "jobTemplate", "spec", "template"},
		}
		to, ok := path[u.GetKind()]
		if !ok {
			continue
		}
		raw := object
		if len(to) > 0 {
			raw, _, _ = unstructured.NestedMap(object, to...)
		}
		var pod corev1.Pod
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &pod); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			for _, from := range c.EnvFrom {
				if from.ConfigMapRef != nil {
					names = append(names, from.ConfigMapRef.Name)
				} else {
					names = append(names, from.SecretRef.Name)
				}
			}
		}
		all[u.GetKind()+"/"+u.GetName()+u.GetGenerateName()] = pod.Annotations[api.AnnotationParameter] + ": " + strings.Join(names, ", ")
	}
	return all
}
