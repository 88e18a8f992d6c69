package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
)

// TestForgedOwners has pods' authors write real UIDs into ownerReferences: what
// a workload wants stays what its own template says, and only an owner's own
// pods can have it restarted.
func TestForgedOwners(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	d, _ := deployment(t, ns, "web", "shop", marks{})
	before := waitFor(t, ns, "shop-external", ownedBy("Deployment/web"))
	waitSecond(t) // its pods would be the newest
	foreign := annotated(api.AnnotationParameter, "/"+ns+"/billing/prod/app", api.AnnotationSecretStore, "SecretStore/mine",
		api.AnnotationRefreshInterval, "1h")

	t.Run("a pod that names a Deployment", func(t *testing.T) {
		pod(t, d, "Deployment", "apps/v1", "shop", foreign)
		unchanged(t, ns, before)
	})
	t.Run("a pod that names its ReplicaSet", func(t *testing.T) {
		pod(t, replicaSet(t, ns), "ReplicaSet", "apps/v1", "shop", foreign)
		unchanged(t, ns, before)
	})
	t.Run("a ReplicaSet that names the Deployment", func(t *testing.T) {
		replica1(t, d, "shop", foreign)
		unchanged(t, ns, before)
	})
	t.Run("a ReplicaSet that names a Deployment of that name that is gone", func(t *testing.T) {
		gone := d.DeepCopy()
		gone.UID = "11111111-2222-3333-4444-555555555555"
		replica1(t, gone, "ghost", marks{})
		settle(t, ns)
		if e, err := getExternalSecret(t, ns, "ghost-external"); err == nil {
			t.Errorf("there is one, owned by %v", owners(e))
		}
	})
	t.Run("a pod that names a CronJob's Job", func(t *testing.T) {
		c := cronJob(t, ns, "nightly", "nightly")
		e := waitFor(t, ns, "nightly-external", ownedBy("CronJob/nightly"))
		pod(t, c, "CronJob", "batch/v1", "nightly", foreign)
		unchanged(t, ns, e)
	})
	t.Run("a pod that waits in the name of a Deployment that never opted in", func(t *testing.T) {
		outside := namespace(t, nil)
		victim, _ := deployment(t, outside, "victim", "victim", marks{})
		in := marks{labels: optedIn(), annotations: map[string]string{api.AnnotationAwaitsSecret: "true"}}
		for kind, owner := range map[string]client.Object{"Deployment": victim, "ReplicaSet": replicaSet(t, outside)} {
			p := pod(t, owner, kind, "apps/v1", "victim", in)
			p.Name = ""
		}
		bare := marks{labels: optedIn(), annotations: in.annotations}
		barePod(t, outside, "victim", bare)
		e := waitFor(t, outside, "victim-external", nil)
		path := "/" + outside + "/victim/stage/app"
		r.parameters.put(path, 1, time.Now().Add(-time.Minute), "KEY")
		esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), "victim-secrets")
		eventually(t, "a lookup", func() error {
			if r.parameters.asked(path) == 0 {
				return errStill
			}
			return nil
		})
		settle(t, ns)
		now := victim.DeepCopy()
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(victim), now); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(victim.Spec.Template, now.Spec.Template); diff != "" {
			t.Errorf("a Deployment that never opted in was restarted (-was +is):\n%s", diff)
		}
		if got := owners(waitFor(t, outside, "victim-external", nil)); len(got) > 0 {
			t.Errorf("the ExternalSecret of pods of their own is owned by %v", got)
		}
	})
}

// TestMissingOwners has a thousand pods name what does not exist, and bounds
// what that costs.
func TestMissingOwners(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	const pods = 1000
	for n := range pods {
		owner := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: "none", UID: types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", n)),
		}}
		switch n % 4 {
		case 1:
			owner.Name = "../../../secrets/none"
		case 2:
			owner.Name = fmt.Sprintf("none-%d", n)
		}
		version := "apps/v1"
		if n%4 == 3 {
			version = "apps/v1beta9"
		}
		pod(t, owner, "ReplicaSet", version, "forged", marks{})
	}
	settle(t, ns)
	calls := func() int {
		return len(slices.DeleteFunc(r.calls.to("none"), func(call string) bool { return !strings.Contains(call, ns) }))
	}
	eventually(t, "the last of them", func() error {
		if got := calls(); got < pods/2 {
			return fmt.Errorf("%d calls", got)
		}
		return nil
	})
	settle(t, ns)
	if got := calls(); got > pods {
		t.Errorf("%d pods cost %d reads", pods, got)
	}
	if got := len(r.calls.to("v1beta9")); got > 0 {
		t.Errorf("a version that nobody serves was asked for %d times", got)
	}
	before := calls()
	barePod(t, ns, "forged", marks{labels: map[string]string{api.LabelInject: api.Disabled}}) // has the app looked at again
	settle(t, ns)
	if got := calls(); got > before {
		t.Errorf("what is known to be missing was asked for %d times more", got-before)
	}
	if _, err := getExternalSecret(t, ns, "forged-external"); err == nil {
		t.Error("pods whose owners do not exist got an ExternalSecret")
	}
}

func replicaSet(t *testing.T, ns string) *appsv1.ReplicaSet {
	t.Helper()
	list := &appsv1.ReplicaSetList{}
	if err := kube.List(t.Context(), list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) == 0 {
		t.Fatalf("namespace %s has no ReplicaSet", ns)
	}
	return &list.Items[0]
}

// unchanged settles, and compares an ExternalSecret with what it was.
func unchanged(t *testing.T, ns string, before *unstructured.Unstructured) {
	t.Helper()
	settle(t, ns)
	now := waitFor(t, ns, before.GetName(), nil)
	if diff := cmp.Diff(before.Object, now.Object); diff != "" {
		t.Errorf("it was changed (-was +is):\n%s", diff)
	}
}
