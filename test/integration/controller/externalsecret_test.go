package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

func TestOwners(t *testing.T) {
	ready(t)
	installRollouts(t)
	startDefault(t)
	ns := namespace(t, optedIn())

	d, dPod := deployment(t, ns, "web", "shop", marks{})
	cronJob(t, ns, "nightly", "shop")
	statefulSet(t, ns, "queue", "shop", marks{})
	rollout(t, ns, "canary", "shop", marks{})
	barePod(t, ns, "shop", marks{}) // comes and goes, and owns nothing

	all := []string{"CronJob/nightly", "Deployment/web", "Rollout/canary", "StatefulSet/queue"}
	e := waitFor(t, ns, "shop-external", ownedBy(all...))
	for _, ref := range e.GetOwnerReferences() {
		if *ref.Controller || *ref.BlockOwnerDeletion {
			t.Errorf("owner %s is a controller or keeps others from being deleted", ref.Name)
		}
	}
	if diff := cmp.Diff(map[string]string{"app.kubernetes.io/managed-by": "envgraft", api.LabelApp: "shop"}, e.GetLabels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	want := map[string]any{
		"refreshInterval": "5m0s",
		"refreshPolicy":   nil,
		"secretStoreRef":  map[string]any{"kind": "ClusterSecretStore", "name": "aws-ssm"},
		"target": map[string]any{
			"name": "shop-secrets", "creationPolicy": "Merge", "deletionPolicy": "Retain", "template": externalsecret.Guard(),
		},
		"dataFrom": []any{map[string]any{"extract": map[string]any{
			"key": "/" + ns + "/shop/stage/app", "conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None",
		}}},
	}
	delete(want, "refreshPolicy")
	if diff := cmp.Diff(want, e.Object["spec"]); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}

	// Scaled to zero, a Deployment owns on; once deleted it does not.
	remove(t, dPod)
	settle(t, ns)
	if got := owners(waitFor(t, ns, "shop-external", nil)); !slices.Equal(got, all) {
		t.Errorf("after the scale to zero its owners are %v, want %v", got, all)
	}
	remove(t, d, client.PropagationPolicy(metav1.DeletePropagationBackground))
	waitFor(t, ns, "shop-external", ownedBy(all[0], all[2], all[3]))
}

// TestOrphans holds the controller to never adding an owner that is gone: the
// ExternalSecret would be collected, and the Secret of running pods with it.
func TestOrphans(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, optedIn())
	d, _ := deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", ownedBy("Deployment/web"))

	// What kubectl delete --cascade=orphan comes to, in the garbage collector's order.
	rs := &appsv1.ReplicaSetList{}
	if err := kube.List(t.Context(), rs, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	patch(t, &rs.Items[0], `{"metadata":{"ownerReferences":null}}`)
	patch(t, e, `{"metadata":{"ownerReferences":null}}`)
	remove(t, d, client.PropagationPolicy(metav1.DeletePropagationBackground))
	settle(t, ns)
	now := waitFor(t, ns, "shop-external", ownedBy())
	if now.GetUID() != e.GetUID() {
		t.Error("the ExternalSecret of running pods was made again")
	}
}

func TestSettings(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, map[string]string{api.LabelInject: api.Enabled, api.LabelSystem: "popapps"})
	patch(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}},
		`{"metadata":{"annotations":{"`+api.AnnotationAllowedEnvironments+`":"prod","`+api.AnnotationAllowedSecretNames+`":"other"}}}`)

	for _, test := range []struct {
		reason string
		app    string
		marks  marks
		want   map[string]string
	}{
		{
			"annotations win over the configuration", "annotated",
			annotated(api.AnnotationRefreshInterval, "10m", api.AnnotationDeletionPolicy, "Retain", api.AnnotationSecretStore, "SecretStore/mine",
				api.AnnotationSecretName, "other", api.AnnotationParameter, "/popapps/x"),
			map[string]string{
				"refreshInterval": "10m0s", "target.deletionPolicy": "Retain", "secretStoreRef.kind": "SecretStore",
				"secretStoreRef.name": "mine", "target.name": "other",
			},
		},
		{
			"a Secret that ESO filled may be deleted with its parameter", "plain",
			marks{},
			map[string]string{"refreshInterval": "5m0s", "target.deletionPolicy": "Delete", "target.name": "plain-secrets"},
		},
		{
			"prod retains", "prod",
			marks{labels: map[string]string{api.LabelEnvironment: "prod"}},
			map[string]string{"target.deletionPolicy": "Retain", "target.name": "prod-secrets"},
		},
	} {
		t.Run(test.app, func(t *testing.T) {
			deployment(t, ns, test.app, test.app, test.marks)
			first := waitFor(t, ns, test.app+"-external", nil)
			if got := field(first, "spec.target.deletionPolicy"); got != "Retain" {
				t.Errorf("before ESO filled the Secret, a missing parameter would delete one that a person made: deletionPolicy is %s", got)
			}
			esoSays(t, first, "True", "SecretSynced", time.Now(), field(first, "spec.target.name"))
			waitFor(t, ns, test.app+"-external", func(e *unstructured.Unstructured) error {
				for path, want := range test.want {
					if got := field(e, "spec."+path); got != want {
						return fmt.Errorf("%s: %s is %q, want %q", test.reason, path, got, want)
					}
				}
				return nil
			})
		})
	}
}

func TestForeign(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())

	t.Run("one with our name is used", func(t *testing.T) {
		byHand := handMade(t, ns, "named-external", "named-secrets")
		deployment(t, ns, "named", "named", marks{})
		settle(t, ns)
		now := waitFor(t, ns, "named-external", nil)
		if diff := cmp.Diff(byHand.Object, now.Object); diff != "" {
			t.Errorf("it was changed (-was +is):\n%s", diff)
		}
	})
	t.Run("one with our name that fills another Secret is told of", func(t *testing.T) {
		byHand := handMade(t, ns, "wrong-external", "something-else")
		d, p := deployment(t, ns, "wrong", "wrong", marks{})
		if note := waitForEvent(t, d, "ExternalSecretForeign"); !strings.Contains(note, "something-else") {
			t.Errorf("the Event says %q", note)
		}
		if diff := cmp.Diff(byHand.Object, waitFor(t, ns, "wrong-external", nil).Object); diff != "" {
			t.Errorf("it was changed (-was +is):\n%s", diff)
		}
		if warning := r.State(t.Context(), ns, r.decision(t, p)).Problem; !strings.Contains(warning, "something-else") {
			t.Errorf("the next pods are warned with %q", warning)
		}
	})
	t.Run("one that fills our Secret is used until it is gone", func(t *testing.T) {
		byHand := handMade(t, ns, "by-hand", "twice-secrets")
		esoSays(t, byHand, "True", "SecretSynced", time.Now(), "twice-secrets")
		r.sees(t, ns, "twice")
		deployment(t, ns, "twice", "twice", marks{})
		settle(t, ns)
		if _, err := getExternalSecret(t, ns, "twice-external"); !apierrors.IsNotFound(err) {
			t.Errorf("two ExternalSecrets fill one Secret: %v", err)
		}
		remove(t, byHand)
		waitFor(t, ns, "twice-external", ownedBy("Deployment/twice"))
	})
}

func TestConflict(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, optedIn())
	older, _ := deployment(t, ns, "zz-older", "shop", annotated(api.AnnotationRefreshInterval, "7m"))
	waitFor(t, ns, "shop-external", ownedBy("Deployment/zz-older"))
	waitSecond(t) // creation times are in seconds
	younger, _ := deployment(t, ns, "aa-younger", "shop", annotated(api.AnnotationRefreshInterval, "9m"))

	e := waitFor(t, ns, "shop-external", ownedBy("Deployment/aa-younger", "Deployment/zz-older"))
	if got := field(e, "spec.refreshInterval"); got != "7m0s" {
		t.Errorf("refreshInterval is %s: the younger workload took it over", got)
	}
	for _, d := range []*appsv1.Deployment{older, younger} {
		note := waitForEvent(t, d, "ExternalSecretConflict")
		for _, part := range []string{"Deployment/zz-older", "Deployment/aa-younger", "7m", "9m"} {
			if !strings.Contains(note, part) {
				t.Errorf("the Event on %s lacks %q: %s", d.Name, part, note)
			}
		}
	}
	// Whatever makes the controller look again adds no Event.
	barePod(t, ns, "shop", annotated(api.AnnotationRefreshInterval, "7m"))
	settle(t, ns)
	if notes := eventsAbout(t, younger)["ExternalSecretConflict"]; len(notes) != 1 {
		t.Errorf("the younger has %d Events: %q", len(notes), notes)
	}
}

func TestTemplateDecides(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, optedIn())
	d, _ := deployment(t, ns, "web", "shop", annotated(api.AnnotationRefreshInterval, "7m"))
	waitFor(t, ns, "shop-external", fieldIs("spec.refreshInterval", "7m0s"))
	patch(t, d, `{"spec":{"template":{"metadata":{"annotations":{"`+api.AnnotationRefreshInterval+`":"9m"}}}}}`)
	waitFor(t, ns, "shop-external", fieldIs("spec.refreshInterval", "9m0s"))
	settle(t, ns)
	if seen := eventsAbout(t, d); len(seen) > 0 {
		t.Errorf("a change of mind is worth no Event: %v", seen)
	}
}

func TestEdits(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, optedIn())
	deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", nil)

	patch(t, e, `{
		"metadata": {"labels": {"team": "mine", "app.kubernetes.io/managed-by": null}, "annotations": {"note": "mine"}},
		"spec": {
			"refreshInterval": "1h",
			"dataFrom": [{"extract": {"key": "/somebody/elses/secret"}}],
			"data": [{"secretKey": "MORE", "remoteRef": {"key": "/more"}}]}}`)
	e = waitFor(t, ns, "shop-external", fieldIs("spec.refreshInterval", "5m0s"))
	spec := e.Object["spec"].(map[string]any)
	from := spec["dataFrom"].([]any)
	if len(from) != 1 || from[0].(map[string]any)["extract"].(map[string]any)["key"] != "/"+ns+"/shop/stage/app" {
		t.Errorf("dataFrom is %v", from)
	}
	if spec["data"] == nil || e.GetLabels()["team"] != "mine" || e.GetAnnotations()["note"] != "mine" {
		t.Errorf("what the person added is gone: %v", e.Object)
	}
	if e.GetLabels()["app.kubernetes.io/managed-by"] != "envgraft" {
		t.Errorf("labels are %v", e.GetLabels())
	}

	remove(t, e)
	again := waitFor(t, ns, "shop-external", func(now *unstructured.Unstructured) error {
		if now.GetUID() == e.GetUID() {
			return errStill
		}
		return nil
	})
	if got := owners(again); !slices.Equal(got, []string{"Deployment/web"}) {
		t.Errorf("one that was deleted came back with owners %v", got)
	}
}

func TestOptOut(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, optedIn())
	disabled := annotated(api.AnnotationSecrets, api.Disabled)

	t.Run("secrets disabled makes none", func(t *testing.T) {
		deployment(t, ns, "without", "without", disabled)
		settle(t, ns)
		if _, err := getExternalSecret(t, ns, "without-external"); !apierrors.IsNotFound(err) {
			t.Errorf("there is one: %v", err)
		}
	})
	t.Run("and deletes none that others use", func(t *testing.T) {
		deployment(t, ns, "web", "shared", marks{})
		waitFor(t, ns, "shared-external", ownedBy("Deployment/web"))
		deployment(t, ns, "worker", "shared", disabled)
		settle(t, ns)
		waitFor(t, ns, "shared-external", ownedBy("Deployment/web"))
	})
	t.Run("an owner that opts out owns no more, while others do", func(t *testing.T) {
		deployment(t, ns, "stays", "two", marks{})
		leaver, _ := deployment(t, ns, "leaves", "two", marks{})
		waitFor(t, ns, "two-external", ownedBy("Deployment/leaves", "Deployment/stays"))
		patch(t, leaver, `{"spec":{"template":{"metadata":{"labels":{"`+api.LabelInject+`":"`+api.Disabled+`"}}}}}`)
		waitFor(t, ns, "two-external", ownedBy("Deployment/stays"))
	})
	t.Run("a mark on a pod is not enough", func(t *testing.T) {
		outside := namespace(t, nil)
		_, p := deployment(t, outside, "forged", "forged", marks{})
		settle(t, ns)
		if _, err := getExternalSecret(t, outside, "forged-external"); !apierrors.IsNotFound(err) {
			t.Errorf("there is one: %v", err)
		}
		// The Namespace's word is followed when it changes.
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: outside}}
		patch(t, object, `{"metadata":{"labels":{"`+api.LabelInject+`":"`+api.Enabled+`"}}}`)
		waitFor(t, outside, "forged-external", ownedBy("Deployment/forged"))
		_ = p
	})
	t.Run("nor is another team's parameter", func(t *testing.T) {
		deployment(t, ns, "thief", "thief", annotated(api.AnnotationParameter, "/other/app/stage/app"))
		settle(t, ns)
		if _, err := getExternalSecret(t, ns, "thief-external"); !apierrors.IsNotFound(err) {
			t.Errorf("there is one: %v", err)
		}
	})
}

// TestSteadyState holds a controller that has nothing to do to making no calls.
func TestSteadyState(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	_, p := deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", nil)
	settle(t, ns)
	before := r.calls.forApps(ns)
	if want := 2; len(before) > want+settleCalls {
		t.Errorf("a new app cost %d calls, want %d, for its apply and its ConfigMap:\n%s", len(before)-settleCalls, want, strings.Join(before, "\n"))
	}

	esoSays(t, e, "True", "SecretSynced", time.Now(), "something-else") // not bound, so nothing follows
	settle(t, ns)
	before = r.calls.forApps(ns)
	patch(t, p, `{"metadata":{"annotations":{"envgraft.dev/looked":"again"}}}`)
	esoSays(t, e, "True", "SecretSynced", time.Now(), "something-else") // not bound, so nothing follows
	settle(t, ns)
	var extra []string
	for _, call := range r.calls.forApps(ns)[len(before):] {
		if !strings.Contains(call, "marker") {
			extra = append(extra, call)
		}
	}
	if len(extra) > 0 {
		t.Errorf("nothing to do cost calls:\n%s", strings.Join(extra, "\n"))
	}

	// Nor does a leader that comes after another, but for what it reads of ConfigMaps.
	next := startDefault(t)
	settle(t, ns)
	extra = slices.DeleteFunc(next.calls.forApps(ns), func(call string) bool {
		return strings.Contains(call, "marker") || strings.HasPrefix(call, "GET ") && strings.HasSuffix(call, "/configmaps/shop-config")
	})
	if len(extra) > 0 {
		t.Errorf("the next leader made calls for what did not change:\n%s", strings.Join(extra, "\n"))
	}
}

// ownedBy wants exactly these owners.
func ownedBy(want ...string) func(*unstructured.Unstructured) error {
	return func(e *unstructured.Unstructured) error {
		got := owners(e)
		slices.Sort(got)
		if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			return fmt.Errorf("its owners are %v, want %v", got, want)
		}
		return nil
	}
}

func fieldIs(path, want string) func(*unstructured.Unstructured) error {
	return func(e *unstructured.Unstructured) error {
		if got := field(e, path); got != want {
			return fmt.Errorf("%s is %q, want %q", path, got, want)
		}
		return nil
	}
}

func patch(t *testing.T, object client.Object, with string) {
	t.Helper()
	copied, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		t.Fatalf("%T is no object", object)
	}
	if err := kube.Patch(t.Context(), copied, client.RawPatch(types.MergePatchType, []byte(with)), client.FieldOwner("a-person")); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, object client.Object, options ...client.DeleteOption) {
	t.Helper()
	if err := kube.Delete(t.Context(), object, append(options, client.GracePeriodSeconds(0))...); err != nil {
		t.Fatal(err)
	}
}
