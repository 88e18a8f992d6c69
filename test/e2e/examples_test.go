//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
)

// fastapiImage is what the example's chart runs.
const fastapiImage = "registry.example.com/myapp:1.4.0"

// TestExamples runs what lies in examples: the FastAPI app as it is, the others
// with a program that tells its environment.
func TestExamples(t *testing.T) {
	if os.Getenv("E2E_EXAMPLES") != "1" {
		t.Skip("E2E_EXAMPLES is not 1: set it to run the examples, Argo Rollouts' controller among them, which takes minutes to build")
	}
	b := newBench(t)
	b.dumpOnFailure(t)
	b.startSSM(t)
	b.buildEnvgraft(t)
	b.startESO(t)
	reloader := b.startReloader(t)
	b.installForPeople(t, "5s")
	t.Run("FastAPI", func(t *testing.T) { b.testFastAPI(t, reloader) })
	t.Run("StatefulSet", b.testStatefulSetExample)
	t.Run("CronJob", b.testCronJobExample)
	t.Run("SeveralApps", b.testSeveralAppsExample)
	t.Run("Rollouts", func(t *testing.T) { b.testRollouts(t, reloader) })
}

// fastapiConfig is what the app's /config answers.
type fastapiConfig struct {
	Debug                bool
	LogLevel             string
	CacheTTL             int
	Greeting, MaxWorkers string
	HasDatabase, HasKey  bool
}

// testFastAPI deploys the app by its own Makefile, and asks it.
func (b *bench) testFastAPI(t *testing.T, reloader bool) {
	t.Helper()
	const namespace = "popapps"
	b.run(t, 10*time.Minute, "test/images/fastapi/build", fastapiImage)
	b.load(t, fastapiImage)
	parameter := func(debug string) map[string]string {
		return map[string]string{"DATABASE_URL": canary.Value("database"), "API_KEY": canary.Value("key"), "DEBUG": debug}
	}
	b.ssm.putJSON(t, "/popapps/myapp/stage/app", parameter("false"))
	b.fromFile(t, namespace, "examples/fastapi/namespace.yaml")
	deploy := func(environment string) string {
		return b.run(t, 3*time.Minute, "env", "PATH="+b.path(t), "make", "-C", "examples/fastapi-helm", "deploy", "ENVIRONMENT="+environment)
	}
	deploy("stage")

	// The parameter's DEBUG beats the pod's "true"; GREETING is the pod's own.
	want := fastapiConfig{LogLevel: "debug", CacheTTL: 60, Greeting: "hello", MaxWorkers: "2", HasDatabase: true, HasKey: true}
	b.answers(t, namespace, want)

	t.Run("Rotation", func(t *testing.T) {
		if !reloader {
			t.Skip("RELOADER_IMAGE is not set: nothing restarts pods when a Secret changes")
		}
		b.ssm.putJSON(t, "/popapps/myapp/stage/app", parameter("true"))
		want.Debug = true
		b.answers(t, namespace, want)
	})
	t.Run("Review", func(t *testing.T) {
		out := b.run(t, commandTimeout, "env", "PATH="+b.path(t), "make", "-C", "examples/fastapi-helm", "review", "ENVIRONMENT=stage")
		if !strings.Contains(out, "myapp-secrets") {
			t.Errorf("the review does not name the Secret:\n%s", out)
		}
	})
}

// answers waits until all pods of the FastAPI app answer a configuration.
func (b *bench) answers(t *testing.T, namespace string, want fastapiConfig) {
	t.Helper()
	eventually(t, 2*time.Minute, "the app to answer "+jsonOf(t, want), func() (bool, string) {
		pods := b.podsOf(t, namespace, api.LabelName+"=myapp")
		var saw strings.Builder
		same := len(pods) > 0
		for _, p := range pods {
			out, err := b.try("get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8080/proxy/config", namespace, p.Metadata.Name))
			var got fastapiConfig
			if err == nil {
				err = json.Unmarshal([]byte(out), &got)
			}
			fmt.Fprintf(&saw, "%s: %s %v\n%s", p.Metadata.Name, out, err, cmp.Diff(want, got))
			same = same && err == nil && got == want
		}
		return same, saw.String()
	})
}

func (b *bench) testStatefulSetExample(t *testing.T) {
	const namespace = "queue"
	b.ssm.putJSON(t, "/queue/broker/stage/app", map[string]string{"API_KEY": fromParameter, "MEMBER": fromParameter})
	b.fromFile(t, namespace, b.runnable(t, "examples/statefulset/app.yaml"))
	b.rolledOut(t, namespace, "statefulset/broker")
	for member := range 3 {
		name := fmt.Sprintf("broker-%d", member)
		b.inTheEnd(t, namespace, name, "broker", map[string]string{"API_KEY": fromParameter, "LISTENERS": "4", "MEMBER": name})
	}
	e := b.environmentOf(t, namespace, "broker-0", 8080)
	if diff := cmp.Diff([]string{"--listeners", "4"}, e.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	expect(t, "the init container", b.printedEnvironment(t, namespace, "broker-0", "migrate"), map[string]string{"LISTENERS": "4"})
}

func (b *bench) testCronJobExample(t *testing.T) {
	const namespace = "reports"
	b.ssm.putJSON(t, "/reports/nightly/stage/app", parameterTier())
	b.fromFile(t, namespace, b.runnable(t, "examples/cronjob/app.yaml"))
	b.kubectl(t, "wait", "-n", namespace, "--for=condition=Ready", "--timeout=60s", "externalsecret/nightly-external")
	b.kubectl(t, "create", "job", "-n", namespace, "--from=cronjob/nightly", "now")
	b.kubectl(t, "wait", "-n", namespace, "--for=condition=Complete", "--timeout=90s", "job/now")
	expect(t, "the report", decodeEnvironment(t, b.kubectl(t, "logs", "-n", namespace, "job/now")), parameterTier())
}

func (b *bench) testSeveralAppsExample(t *testing.T) {
	const namespace = "shop"
	b.ssm.putJSON(t, "/shop/web/stage/app", map[string]string{"API_KEY": fromParameter})
	b.fromFile(t, namespace, b.runnable(t, "examples/several-apps/apps.yaml"))
	for app, key := range map[string]string{"web": fromParameter, "web-worker": fromParameter, "search": absent, "redis": absent} {
		b.rolledOut(t, namespace, "deployment/"+app)
		eventually(t, time.Minute, app+" to have API_KEY "+key, func() (bool, string) {
			pods := b.podsOf(t, namespace, api.LabelName+"="+app)
			if len(pods) != 1 || !pods[0].ready() {
				return false, fmt.Sprintf("%+v", pods)
			}
			got, ok := b.environmentOf(t, namespace, pods[0].Metadata.Name, 8080).Env["API_KEY"]
			if !ok {
				got = absent
			}
			return got == key, got
		})
	}
	var list struct{ Items []pod }
	b.getJSON(t, &list, "get", "externalsecrets", "-n", namespace)
	if len(list.Items) != 1 || list.Items[0].Metadata.Name != "web-external" {
		t.Errorf("ExternalSecrets are %+v, want web-external alone", list.Items)
	}
}

// inTheEnd waits until the process of a pod has an environment: a pod that was
// made before its Secret is created again.
func (b *bench) inTheEnd(t *testing.T, namespace, name, container string, want map[string]string) {
	t.Helper()
	eventually(t, 2*time.Minute, fmt.Sprintf("%s of pod %s to have its environment", container, name), func() (bool, string) {
		out, err := b.try("get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8080/proxy/", namespace, name))
		var got environment
		if err != nil || json.Unmarshal([]byte(out), &got) != nil {
			return false, out
		}
		for key, value := range want {
			if got.Env[key] != value {
				return false, cmp.Diff(want, got.Env)
			}
		}
		return true, ""
	})
}

// fromFile applies a file that makes a namespace, which is deleted when the test ends.
func (b *bench) fromFile(t *testing.T, namespace, file string) {
	t.Helper()
	t.Cleanup(func() { b.kubectl(t, "delete", "namespace", namespace, "--ignore-not-found", "--wait=false") })
	b.dumpOnFailure(t, namespace)
	b.kubectl(t, "apply", "-f", file)
}

// runnable is a file of objects whose containers run printenv: those that must
// come to an end once, the others until they are stopped.
func (b *bench) runnable(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.root, file))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		template := []string{"spec", "template", "spec"}
		if object["kind"] == "CronJob" {
			template = slices.Concat([]string{"spec", "jobTemplate"}, template)
		}
		for _, containers := range []string{"initContainers", "containers"} {
			list, found, err := unstructured.NestedSlice(object, append(slices.Clone(template), containers)...)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if !found {
				continue
			}
			once := containers == "initContainers" || object["kind"] == "CronJob"
			for _, c := range list {
				runPrintenv(c.(map[string]any), once)
			}
			if err := unstructured.SetNestedSlice(object, list, append(slices.Clone(template), containers)...); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		document, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(document))
	}
	path := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(path, []byte(strings.Join(out, "---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runPrintenv keeps a container's command as arguments.
func runPrintenv(container map[string]any, once bool) {
	args := []any{"--"}
	if once {
		args = []any{"-once", "--"}
	}
	for _, field := range []string{"command", "args"} {
		if words, ok := container[field].([]any); ok {
			args = append(args, words...)
		}
	}
	delete(container, "command")
	container["image"], container["args"] = printenvImage, args
}
