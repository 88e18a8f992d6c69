package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
)

// template is the pod template of app "myapp".
func template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.LabelName: "myapp"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "myapp"}}},
	}
}

func selectsMyapp() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{api.LabelName: "myapp"}}
}

func deployment(namespace string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "myapp"},
		Spec:       appsv1.DeploymentSpec{Selector: selectsMyapp(), Template: template()},
	}
}

// reloadAnnotations returns Reloader's annotations of an object.
func reloadAnnotations(object client.Object) map[string]string {
	out := map[string]string{}
	for key, value := range object.GetAnnotations() {
		if strings.Contains(key, api.ReloaderPrefix) {
			out[key] = value
		}
	}
	return out
}

func bothNames() map[string]string {
	return map[string]string{api.ReloaderSecret: "myapp-secrets", api.ReloaderConfigMap: "myapp-config"}
}

func (b *bench) get(t *testing.T, object client.Object) {
	t.Helper()
	if err := b.client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) patch(t *testing.T, object client.Object, kind types.PatchType, patch string) {
	t.Helper()
	if err := b.client.Patch(t.Context(), object, client.RawPatch(kind, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// withStrategy adds what has Reloader restart a Rollout rather than start a canary.
func withStrategy(names map[string]string) map[string]string {
	names["reloader.stakater.com/rollout-strategy"] = "restart"
	return names
}

func TestWorkloadsOfEachKind(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	b.rollouts(t)
	meta := metav1.ObjectMeta{Namespace: ns, Name: "myapp"}
	job := template()
	job.Spec.RestartPolicy = corev1.RestartPolicyNever
	for name, tc := range map[string]struct {
		object client.Object
		want   map[string]string
	}{
		"Deployment":  {deployment(ns), bothNames()},
		"StatefulSet": {&appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selectsMyapp(), Template: template()}}, bothNames()},
		"DaemonSet":   {&appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selectsMyapp(), Template: template()}}, bothNames()},
		"Rollout":     {rollout(t, ns), withStrategy(bothNames())},
		"Job":         {&batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: job}}, map[string]string{}},
		"CronJob": {&batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{
			Schedule: "@yearly", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: job}},
		}}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			b.create(t, tc.object)
			if diff := cmp.Diff(tc.want, reloadAnnotations(tc.object)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// rollouts installs a CustomResourceDefinition as Argo's, without its schema.
func (b *bench) rollouts(t *testing.T) {
	t.Helper()
	crd := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(`{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": {"name": "rollouts.argoproj.io"},
		"spec": {
			"group": "argoproj.io", "scope": "Namespaced",
			"names": {"kind": "Rollout", "listKind": "RolloutList", "plural": "rollouts", "singular": "rollout"},
			"versions": [{"name": "v1alpha1", "served": true, "storage": true,
				"schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]
		}}`), crd); err != nil {
		t.Fatal(err)
	}
	if err := b.client.Create(t.Context(), crd); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "RolloutList"})
	eventually(t, func() error { return b.client.List(t.Context(), list) })
}

func rollout(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(fmt.Appendf(nil, `{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "myapp", "namespace": %q},
		"spec": {"strategy": {"canary": {"steps": [{"setWeight": 20}]}},
			"template": {"metadata": {"labels": {"app.kubernetes.io/name": "myapp"}}, "spec": {"containers": [{"name": "app", "image": "myapp"}]}}}}`,
		namespace), object); err != nil {
		t.Fatal(err)
	}
	return object
}

// TestWorkloadOptsIn labels a Deployment as a person would, and takes the label
// off again.
func TestWorkloadOptsIn(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, nil)
	d := deployment(ns)
	b.create(t, d)
	original := d.DeepCopy()
	if got := reloadAnnotations(d); len(got) > 0 {
		t.Fatalf("nobody opted in, and yet there is %v", got)
	}

	b.patch(t, d, types.MergePatchType, `{"metadata":{"labels":{"envgraft.dev/inject":"enabled"}}}`)
	if got := d.Spec.Template.Labels[api.LabelInject]; got != api.Enabled {
		t.Errorf("the pod template's label is %q, want %q", got, api.Enabled)
	}
	if diff := cmp.Diff(bothNames(), reloadAnnotations(d)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got, want := d.Generation, original.Generation+1; got != want {
		t.Errorf("generation %d, want %d: one rollout, by which the pods opt in", got, want)
	}

	b.patch(t, d, types.MergePatchType, `{"metadata":{"labels":{"envgraft.dev/inject":null}}}`)
	if diff := cmp.Diff(original.Spec, d.Spec); diff != "" {
		t.Errorf("the spec is not what it was: -want, +got:\n%s", diff)
	}
	if len(d.Annotations) > 0 || len(d.Labels) > 0 {
		t.Errorf("something is left: annotations %v, labels %v", d.Annotations, d.Labels)
	}
}

// TestWorkloadLabelMoved moves the label from the workload to its pod template
// in one apply. What the template gets is the author's, however the author applies it.
func TestWorkloadLabelMoved(t *testing.T) {
	b := start(t)
	for name, args := range map[string][]string{"ClientSide": {"apply", "-f", "-"}, "ServerSide": {"apply", "--server-side", "-f", "-"}} {
		t.Run(name, func(t *testing.T) {
			ns := b.namespace(t, nil)
			manifest := func(workload, pods string) string {
				return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"myapp","namespace":%q,"labels":{%s}},
					"spec":{"selector":{"matchLabels":{"app.kubernetes.io/name":"myapp"}},
					"template":{"metadata":{"labels":{%s"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[{"name":"app","image":"myapp"}]}}}}`, ns, workload, pods)
			}
			b.mustRun(t, manifest(`"envgraft.dev/inject":"enabled"`, ""), args...)
			d := deployment(ns)
			b.get(t, d)
			before := d.DeepCopy()
			b.mustRun(t, manifest("", `"envgraft.dev/inject":"enabled",`), args...)
			b.get(t, d)
			if got := d.Spec.Template.Labels[api.LabelInject]; got != api.Enabled {
				t.Errorf("the pod template's label is %q, want %q", got, api.Enabled)
			}
			if diff := cmp.Diff(before.Spec, d.Spec); diff != "" {
				t.Errorf("the pods are replaced for nothing: -before, +after:\n%s", diff)
			}

			b.mustRun(t, manifest("", ""), args...)
			b.get(t, d)
			if got, ok := d.Spec.Template.Labels[api.LabelInject]; ok {
				t.Errorf("the author removed the label, and it is %q", got)
			}
		})
	}
}

// TestWorkloadAppliedAgain applies a manifest that lacks our annotations over
// the object that has them.
func TestWorkloadAppliedAgain(t *testing.T) {
	b := start(t)
	for name, tc := range map[string]struct {
		first, again []string
		// silent is a write that the API server drops, as it changes nothing.
		// Replace comes to own the field whose value it sends without ours.
		silent bool
	}{
		"ClientSide": {[]string{"apply", "-f", "-"}, []string{"apply", "-f", "-"}, true},
		"ServerSide": {[]string{"apply", "--server-side", "-f", "-"}, []string{"apply", "--server-side", "-f", "-"}, true},
		"Replace":    {[]string{"create", "-f", "-"}, []string{"replace", "-f", "-"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ns := b.namespace(t, optedIn())
			manifest := func(secrets string) string {
				return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"myapp","namespace":%q,
					"annotations":{"secret.reloader.stakater.com/reload":%q}},
					"spec":{"selector":{"matchLabels":{"app.kubernetes.io/name":"myapp"}},
					"template":{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[{"name":"app","image":"myapp"}]}}}}`, ns, secrets)
			}
			b.mustRun(t, manifest("db-creds"), tc.first...)
			once := deployment(ns)
			b.get(t, once)
			want := map[string]string{api.ReloaderSecret: "db-creds,myapp-secrets", api.ReloaderConfigMap: "myapp-config"}
			if diff := cmp.Diff(want, reloadAnnotations(once)); diff != "" {
				t.Fatalf("-want, +got:\n%s", diff)
			}

			b.mustRun(t, manifest("db-creds"), tc.again...)
			twice := deployment(ns)
			b.get(t, twice)
			if tc.silent && once.ResourceVersion != twice.ResourceVersion {
				t.Errorf("applied again, the object was written again: -first, +second:\n%s", cmp.Diff(once, twice))
			}
			if diff := cmp.Diff(once.Annotations, twice.Annotations); diff != "" || once.Generation != twice.Generation {
				t.Errorf("applied again, generation %d, was %d; annotations -first, +second:\n%s", twice.Generation, once.Generation, diff)
			}

			b.mustRun(t, manifest("tls"), tc.again...)
			b.get(t, twice)
			want[api.ReloaderSecret] = "tls,myapp-secrets"
			if diff := cmp.Diff(want, reloadAnnotations(twice)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if diff := cmp.Diff(once.Spec, twice.Spec); diff != "" {
				t.Errorf("annotations are no rollout: -before, +after:\n%s", diff)
			}
		})
	}
}

// TestWorkloadReloadersUpdate does what Reloader does to a Deployment.
func TestWorkloadReloadersUpdate(t *testing.T) {
	b := start(t)
	d := deployment(b.namespace(t, optedIn()))
	b.create(t, d)
	before := d.DeepCopy()
	b.patch(t, d, types.StrategicMergePatchType,
		`{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"STAKATER_MYAPP_SECRETS_SECRET","value":"0beec7b5"}]}]}}}}`)
	if diff := cmp.Diff(before.Annotations, d.Annotations); diff != "" {
		t.Errorf("annotations -before, +after:\n%s", diff)
	}
	if diff := cmp.Diff(before.Spec.Template.ObjectMeta, d.Spec.Template.ObjectMeta); diff != "" {
		t.Errorf("the template's metadata -before, +after:\n%s", diff)
	}
	if got, want := d.Generation, before.Generation+1; got != want {
		t.Errorf("generation %d, want %d: one rollout, Reloader's", got, want)
	}
}

// TestWorkloadNamespaceOptsOut has what was written removed when the workload is
// next written, in a namespace that says no and in one that says nothing more.
func TestWorkloadNamespaceOptsOut(t *testing.T) {
	b := start(t)
	for name, patch := range map[string]string{
		"Disabled": `{"metadata":{"labels":{"envgraft.dev/inject":"disabled"}}}`,
		"Silent":   `{"metadata":{"labels":{"envgraft.dev/inject":null}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			ns := b.namespace(t, optedIn())
			d := deployment(ns)
			d.Annotations = map[string]string{api.ReloaderSecret: "db-creds"}
			b.create(t, d)
			b.patch(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, types.MergePatchType, patch)

			// The label takes a moment to reach the API server's own view of
			// namespaces, and the webhook's.
			touched := 0
			eventually(t, func() error {
				touched++
				b.patch(t, d, types.MergePatchType, fmt.Sprintf(`{"metadata":{"annotations":{"example.com/touched":"%d"}}}`, touched))
				if record, ok := d.Annotations[api.AnnotationWritten]; ok {
					return fmt.Errorf("the record is still there: %s", record)
				}
				return nil
			})
			if diff := cmp.Diff(map[string]string{api.ReloaderSecret: "db-creds"}, reloadAnnotations(d)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestWorkloadWarnings shows what kubectl prints.
func TestWorkloadWarnings(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	_, stderr := b.mustRun(t, fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"myapp","namespace":%q},
		"spec":{"selector":{"matchLabels":{"app.kubernetes.io/name":"myapp"}},"template":{
		"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{"envgraft.dev/secrets":"off"}},
		"spec":{"containers":[{"name":"app","image":"myapp"}]}}}}`, ns), "apply", "-f", "-")
	want := `Warning: envgraft: pods of this Deployment will be denied: annotation envgraft.dev/secrets is "off": use "enabled" or "disabled"`
	if !strings.Contains(stderr, want) {
		t.Errorf("kubectl prints no %q:\n%s", want, stderr)
	}
}

// TestWorkloadDryRun is what GitOps tools compare with.
func TestWorkloadDryRun(t *testing.T) {
	b := start(t)
	d := deployment(b.namespace(t, optedIn()))
	if err := b.client.Create(t.Context(), d, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bothNames(), reloadAnnotations(d)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
