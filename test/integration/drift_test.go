package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

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

// gitOps is a tool that applies what is in git, and compares by the dry run of that.
type gitOps struct {
	manager string
	// takesOver are the managers whose fields it takes for its own, by the
	// beginning of their names: what is not in git of them goes.
	takesOver string
	// restart are the flags by which a person restarts what it keeps.
	restart []string
}

// tools are Argo CD and Flux, as
// https://github.com/argoproj/argo-cd/blob/master/gitops-engine/pkg/diff/diff.go (serverSideDiff) and
// https://github.com/fluxcd/pkg/blob/main/ssa/manager_apply.go have it.
func tools() map[string]gitOps {
	return map[string]gitOps{
		"Argo CD": {manager: "argocd-controller"},
		"Flux":    {manager: "kustomize-controller", takesOver: "kubectl", restart: []string{"--field-manager=flux-client-side-apply"}},
	}
}

// change is what somebody writes to a workload that a tool keeps: a merge patch.
type change struct{ reason, manager, patch string }

const (
	at = `"2026-01-02T03:04:05Z"`
	// Argo's restart, by envgraft, Reloader and kubectl argo rollouts restart.
	restartAt = `"spec":{"restartAt":` + at + `}`
	ofTheApp  = "{selector: {matchLabels: {app.kubernetes.io/name: myapp}}, template: %s}"
)

// What the rotation of a Secret has Reloader write to a pod template, by its strategy.
const (
	rotatedEnv         = `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"app","env":[{"name":"DEBUG","value":"1"},{"name":"STAKATER_MYAPP_SECRETS_SECRET","value":"0beec7b5"}]}]}}}}`
	rotatedAnnotations = `{"spec":{"template":{"metadata":{"annotations":{"reloader.stakater.com/last-reloaded-from":"{\"name\":\"myapp-secrets\"}"}}}}}`
)

// changes are a restart by envgraft and rotations.
func changes() (ofApps, ofRollouts []change) {
	restarted := fmt.Sprintf(`%q:%s,%q:"7"`, api.AnnotationRestartedAt, at, api.AnnotationRestartedFor)
	ofApps = []change{
		{"restarted by envgraft", api.FieldManager, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":` + at + `,` + restarted + `}}}}}`},
		{"rotated, Reloader's env-vars strategy", "Reloader", rotatedEnv},
		{"rotated, Reloader's annotations strategy", "Reloader", rotatedAnnotations},
	}
	ofRollouts = []change{
		{"restarted by envgraft", api.FieldManager, `{"metadata":{"annotations":{` + restarted + `}},` + restartAt + `}`},
		{"rotated, restart strategy", "Reloader", `{` + restartAt + `}`},
		{"rotated, rollout strategy with annotations", "Reloader", rotatedAnnotations},
	}
	return ofApps, ofRollouts
}

// TestNoDrift has both tools look at workloads of each kind, as they are in git,
// after a restart and after a rotation: they must find nothing to do.
func TestNoDrift(t *testing.T) {
	b := start(t)
	b.rollouts(t)
	ofApps, ofRollouts := changes()
	for _, test := range []struct {
		apiVersion, kind, spec string
		changes                []change
		byHand                 bool // kubectl rollout restart knows the kind
	}{
		{"apps/v1", "Deployment", ofTheApp, ofApps, true},
		{"apps/v1", "StatefulSet", ofTheApp, ofApps, true},
		{"apps/v1", "DaemonSet", ofTheApp, ofApps, true},
		{"argoproj.io/v1alpha1", "Rollout", ofTheApp, ofRollouts, false},
		// Nobody restarts it: Reloader starts a Job of it.
		{"batch/v1", "CronJob", "{schedule: '@yearly', jobTemplate: {spec: {template: %s}}}", nil, false},
	} {
		for name, tool := range tools() {
			t.Run(test.kind+"/"+name, func(t *testing.T) {
				git := inGit(t, test.apiVersion, test.kind, b.namespace(t, optedIn()), test.spec)
				b.sync(t, tool, git)
				b.mustNotDrift(t, tool, git, "as it is in git")
				for _, change := range test.changes {
					b.patchAs(t, git, change.manager, types.MergePatchType, change.patch)
					b.mustNotDrift(t, tool, git, change.reason)
				}
				if test.byHand {
					b.mustRun(t, "", append([]string{"rollout", "restart", "-n", git.GetNamespace(), test.kind + "/myapp"}, tool.restart...)...)
					b.mustNotDrift(t, tool, git, "restarted by hand")
				}
			})
		}
	}
}

// inGit is a manifest of app "myapp" with an environment and an annotation of
// Reloader's of its own.
func inGit(t *testing.T, apiVersion, kind, namespace, spec string) *unstructured.Unstructured {
	t.Helper()
	template := `{metadata: {labels: {app.kubernetes.io/name: myapp}}, spec: {RESTART containers: [{name: app, image: app, env: [{name: DEBUG, value: "1"}]}]}}`
	policy := ""
	if kind == "CronJob" {
		policy = "restartPolicy: Never,"
	}
	object := &unstructured.Unstructured{}
	text := fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: myapp, namespace: %s, labels: {%s: enabled}, annotations: {%s: db-creds}}, spec: %s}",
		apiVersion, kind, namespace, api.LabelInject, api.ReloaderSecret, fmt.Sprintf(spec, strings.Replace(template, "RESTART", policy, 1)))
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

// sync applies a manifest.
func (b *bench) sync(t *testing.T, tool gitOps, git *unstructured.Unstructured, options ...client.ApplyOption) (result *unstructured.Unstructured) {
	t.Helper()
	result = git.DeepCopy()
	options = append(options, client.FieldOwner(tool.manager), client.ForceOwnership)
	if err := b.client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(result), options...); err != nil {
		t.Fatal(err)
	}
	return result
}

// live reads what is there, after the tool took over what it takes over.
func (b *bench) live(t *testing.T, tool gitOps, git *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	live := git.DeepCopy()
	b.get(t, live)
	owners := live.GetManagedFields()
	for i := range owners {
		if tool.takesOver != "" && strings.HasPrefix(owners[i].Manager, tool.takesOver) {
			owners[i].Manager, owners[i].Operation = tool.manager, metav1.ManagedFieldsOperationApply
		}
	}
	patch, err := json.Marshal([]map[string]any{{"op": "replace", "path": "/metadata/managedFields", "value": owners}})
	if err != nil {
		t.Fatal(err)
	}
	b.patchAs(t, live, tool.manager, types.JSONPatchType, string(patch))
	b.get(t, live)
	return live
}

// drift is what a tool would change.
func (b *bench) drift(t *testing.T, tool gitOps, git *unstructured.Unstructured) string {
	t.Helper()
	live := b.live(t, tool, git)
	predicted := b.sync(t, tool, git, client.DryRunAll)
	live.SetManagedFields(nil)
	predicted.SetManagedFields(nil)
	return cmp.Diff(live.Object, predicted.Object)
}

// mustNotDrift compares twice: before and after the tool applies all the same.
func (b *bench) mustNotDrift(t *testing.T, tool gitOps, git *unstructured.Unstructured, when string) {
	t.Helper()
	for range 2 {
		if diff := b.drift(t, tool, git); diff != "" {
			t.Fatalf("%s it drifts: -live, +predicted:\n%s", when, diff)
		}
		b.sync(t, tool, git)
	}
}

func (b *bench) patchAs(t *testing.T, object *unstructured.Unstructured, manager string, kind types.PatchType, patch string) {
	t.Helper()
	if err := b.client.Patch(t.Context(), object.DeepCopy(), client.RawPatch(kind, []byte(patch)), client.FieldOwner(manager)); err != nil {
		t.Fatal(err)
	}
}

// TestNoDriftOfANamespace has the opt-in in git.
func TestNoDriftOfANamespace(t *testing.T) {
	b := start(t)
	for name, tool := range tools() {
		t.Run(name, func(t *testing.T) {
			git := &unstructured.Unstructured{}
			git.SetAPIVersion("v1")
			git.SetKind("Namespace")
			git.SetName(b.namespace(t, nil))
			git.SetLabels(map[string]string{api.LabelInject: api.Enabled, api.LabelSystem: "popapps"})
			b.sync(t, tool, git)
			b.mustNotDrift(t, tool, git, "as it is in git")
		})
	}
}

// TestDriftThatIsDocumented holds docs/operations.md to what it says tools undo.
func TestDriftThatIsDocumented(t *testing.T) {
	b := start(t)
	b.rollouts(t)
	tests := map[string]struct {
		apiVersion, kind string
		change           func(t *testing.T, git *unstructured.Unstructured)
		undoneBy         []string
	}{
		"a restart by kubectl without flags": {
			"apps/v1", "Deployment", func(t *testing.T, git *unstructured.Unstructured) {
				t.Helper()
				b.mustRun(t, "", "rollout", "restart", "-n", git.GetNamespace(), "deployment/myapp")
			}, []string{"Flux"},
		},
		"a label by kubectl": {
			"apps/v1", "Deployment", func(t *testing.T, git *unstructured.Unstructured) {
				t.Helper()
				b.mustRun(t, "", "label", "-n", git.GetNamespace(), "deployment/myapp", "envgraft.dev/inject=disabled", "--overwrite")
			}, []string{"Argo CD", "Flux"},
		},
		"Reloader's environment variable in a Rollout": {
			"argoproj.io/v1alpha1", "Rollout", func(t *testing.T, git *unstructured.Unstructured) {
				t.Helper()
				b.patchAs(t, git, "Reloader", types.MergePatchType, rotatedEnv)
			}, []string{"Argo CD", "Flux"},
		},
	}
	for name, test := range tests {
		for by, tool := range tools() {
			t.Run(name+"/"+by, func(t *testing.T) {
				git := inGit(t, test.apiVersion, test.kind, b.namespace(t, optedIn()), ofTheApp)
				b.sync(t, tool, git)
				test.change(t, git)
				diff := b.drift(t, tool, git)
				if undone := diff != ""; undone != slices.Contains(test.undoneBy, by) {
					t.Errorf("undone: %t; -live, +predicted:\n%s", undone, diff)
				}
			})
		}
	}
}
