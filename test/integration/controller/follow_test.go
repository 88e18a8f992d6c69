package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/controller"
)

func TestForceSync(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	path := "/" + ns + "/shop/stage/app"
	d, _ := deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", nil)
	refreshed := time.Now().Add(-time.Hour)

	// ESO was last there an hour ago, and the parameter changed since.
	r.parameters.put(path, 7, time.Now().Add(-time.Minute), "KEY")
	esoSays(t, e, "True", "SecretSynced", refreshed, "shop-secrets")
	e = waitFor(t, ns, "shop-external", forced(path+"@7"))
	if e.GetAnnotations()[api.ForceSync] == "" {
		t.Errorf("annotations are %v", e.GetAnnotations())
	}
	waitForEvent(t, d, "ExternalSecretRefresh")

	// ESO answers; then again, without pods that are newer than the refresh.
	esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), "shop-secrets")
	settle(t, ns)
	asked := r.parameters.asked(path)
	if asked != 2 {
		t.Errorf("SSM was asked %d times, want once when the app came and once when ESO had synced", asked)
	}

	// A new pod has it looked up again; the same version is not forced twice.
	esoSays(t, e, "True", "SecretSynced", refreshed, "shop-secrets")
	waitSecond(t)
	writes := len(r.calls.to("/externalsecrets/shop-external"))
	replica1(t, d, "shop", marks{})
	eventually(t, "the next lookup", func() error {
		if got := r.parameters.asked(path); got != asked+1 {
			return fmt.Errorf("%d lookups, want %d", got, asked+1)
		}
		return nil
	})
	settle(t, ns)
	if got := len(r.calls.to("/externalsecrets/shop-external")); got != writes {
		t.Errorf("the same version cost %d writes", got-writes)
	}

	// A newer version is.
	r.parameters.put(path, 8, time.Now(), "KEY")
	waitSecond(t)
	replica1(t, d, "shop", marks{})
	waitFor(t, ns, "shop-external", forced(path+"@8"))
}

// TestUpToDate holds the controller to leaving ESO alone where it has seen the
// parameter as it is.
func TestUpToDate(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	path := "/" + ns + "/shop/stage/app"
	r.parameters.put(path, 7, time.Now().Add(-time.Hour), "KEY")
	deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", nil)
	esoSays(t, e, "True", "SecretSynced", time.Now().Add(-time.Minute), "shop-secrets")
	eventually(t, "lookup", func() error {
		if r.parameters.asked(path) == 0 {
			return errStill
		}
		return nil
	})
	settle(t, ns)
	if e := waitFor(t, ns, "shop-external", nil); e.GetAnnotations()[api.AnnotationForcedVersion] != "" {
		t.Errorf("a refresh was asked for: %v", e.GetAnnotations())
	}
}

func TestRestart(t *testing.T) {
	ready(t)
	installRollouts(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	awaits := annotated(api.AnnotationAwaitsSecret, "true")
	path := func(app string) string { return "/" + ns + "/" + app + "/stage/app" }
	// appears has the Secret of an app appear, of the parameter's given version.
	appears := func(t *testing.T, app string, version int64) {
		t.Helper()
		e := waitFor(t, ns, app+"-external", nil)
		r.parameters.put(path(app), version, time.Now().Add(-time.Minute), "KEY")
		esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), app+"-secrets")
	}
	restarted := func(t *testing.T, object client.Object, version string, fields ...string) *unstructured.Unstructured {
		t.Helper()
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("Deployment"))
		if o, ok := object.(*unstructured.Unstructured); ok {
			u.SetGroupVersionKind(o.GroupVersionKind())
		}
		if _, ok := object.(*appsv1.StatefulSet); ok {
			u.SetKind("StatefulSet")
		}
		eventually(t, "restart of "+object.GetName(), func() error {
			if err := kube.Get(t.Context(), client.ObjectKeyFromObject(object), u); err != nil {
				return err
			}
			got, _, err := unstructured.NestedString(u.Object, append(fields, api.AnnotationRestartedFor)...)
			if got, _, _ = strings.Cut(got, ", "); err == nil && got != version { // the newest first
				err = fmt.Errorf("it was restarted for %q, want %q", got, version)
			}
			return err
		})
		return u
	}
	templateAnnotations := []string{"spec", "template", "metadata", "annotations"}

	t.Run("a Deployment, once for a version", func(t *testing.T) {
		d, _ := deployment(t, ns, "web", "shop", awaits)
		appears(t, "shop", 2)
		first := restarted(t, d, path("shop")+"@2", templateAnnotations...)
		waitForEvent(t, d, "RestartedForSecret")

		// Its next pods were admitted by keys that were stale, say.
		waitSecond(t)
		replica1(t, d, "shop", awaits)
		settle(t, ns)
		second := restarted(t, d, path("shop")+"@2", templateAnnotations...)
		if first.GetGeneration() != second.GetGeneration() {
			t.Error("it was restarted again for the same version")
		}
		// A placeholder again, and then a later version, is another matter.
		r.parameters.put(path("shop"), 3, time.Now().Add(-time.Minute))
		esoSays(t, waitFor(t, ns, "shop-external", nil), "True", "SecretDeleted", time.Now(), "shop-secrets")
		waitSecond(t)
		replica1(t, d, "shop", awaits)
		settle(t, ns)
		appears(t, "shop", 4)
		restarted(t, d, path("shop")+"@4", templateAnnotations...)
	})
	t.Run("a StatefulSet", func(t *testing.T) {
		s := statefulSet(t, ns, "queue", "queue", awaits)
		appears(t, "queue", 1)
		restarted(t, s, path("queue")+"@1", templateAnnotations...)
	})
	t.Run("a Rollout, whose template stays as it is", func(t *testing.T) {
		ro := rollout(t, ns, "canary", "canary", awaits)
		appears(t, "canary", 1)
		now := restarted(t, ro, path("canary")+"@1", "metadata", "annotations")
		if field(now, "spec.restartAt") == "" {
			t.Errorf("spec is %v", now.Object["spec"])
		}
		if _, found, err := unstructured.NestedMap(now.Object, templateAnnotations...); found || err != nil {
			t.Errorf("its template was changed: %v %v", now.Object["spec"], err)
		}
	})
	t.Run("not one that opted out", func(t *testing.T) {
		d, _ := deployment(t, ns, "optout", "optout", awaits)
		patch(t, d, `{"metadata":{"annotations":{"`+api.AnnotationReload+`":"`+api.Disabled+`"}}}`)
		appears(t, "optout", 1)
		if note := waitForEvent(t, d, "SecretAppearedWithoutRestart"); !strings.Contains(note, "kubectl rollout restart -n "+ns+" deployment/optout") {
			t.Errorf("the Event says %q", note)
		}
		restarted(t, d, "", templateAnnotations...)
	})
	t.Run("not a pod of its own", func(t *testing.T) {
		p := barePod(t, ns, "bare", awaits)
		appears(t, "bare", 1)
		waitForEvent(t, p, "SecretAppearedWithoutRestart")
	})
	t.Run("not where nothing waits", func(t *testing.T) {
		d, _ := deployment(t, ns, "patient", "patient", marks{})
		appears(t, "patient", 1)
		settle(t, ns)
		restarted(t, d, "", templateAnnotations...)
	})
	t.Run("not before ESO saw the version", func(t *testing.T) {
		d, _ := deployment(t, ns, "early", "early", awaits)
		e := waitFor(t, ns, "early-external", nil)
		r.parameters.put(path("early"), 1, time.Now(), "KEY")
		esoSays(t, e, "True", "SecretSynced", time.Now().Add(-time.Minute), "early-secrets")
		waitFor(t, ns, "early-external", forced(path("early")+"@1"))
		settle(t, ns)
		restarted(t, d, "", templateAnnotations...)
		esoSays(t, e, "True", "SecretSynced", time.Now().Add(time.Minute), "early-secrets")
		restarted(t, d, path("early")+"@1", templateAnnotations...)
	})
}

func forced(version string) func(*unstructured.Unstructured) error {
	return func(e *unstructured.Unstructured) error {
		if got := e.GetAnnotations()[api.AnnotationForcedVersion]; got != version {
			return fmt.Errorf("forced version is %q, want %q", got, version)
		}
		return nil
	}
}

// TestRestartInterval has two versions of a parameter follow each other, and
// the leader change in between: the workload is restarted once, and again when
// the interval is over.
func TestRestartInterval(t *testing.T) {
	ready(t)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	r := start(t, controller.Options{Clock: clock, MinRestartInterval: 10 * time.Minute})
	ns := namespace(t, optedIn())
	awaits := annotated(api.AnnotationAwaitsSecret, "true")
	path := "/" + ns + "/shop/stage/app"
	d, first := deployment(t, ns, "web", "shop", awaits)
	restartedFor := func(version string) error {
		now := &appsv1.Deployment{}
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
			return err
		}
		if got, _, _ := strings.Cut(now.Spec.Template.Annotations[api.AnnotationRestartedFor], ", "); got != version {
			return fmt.Errorf("it was restarted for %q, want %q", got, version)
		}
		return nil
	}
	appears := func(r *replica, version int64) {
		r.parameters.put(path, version, time.Now().Add(-time.Minute), "KEY")
		esoSays(t, waitFor(t, ns, "shop-external", nil), "True", "SecretSynced", time.Now().Add(time.Minute), "shop-secrets")
	}
	appears(r, 1)
	eventually(t, "the first restart", func() error { return restartedFor(path + "@1") })

	next := start(t, controller.Options{Clock: clock, MinRestartInterval: 10 * time.Minute})
	r.parameters.put(path, 2, time.Now().Add(-time.Minute), "KEY")
	next.parameters.put(path, 2, time.Now().Add(-time.Minute), "KEY")
	waitSecond(t)
	replica1(t, d, "shop", awaits)
	remove(t, first)
	settle(t, ns)
	appears(next, 2)
	settle(t, ns)
	if err := restartedFor(path + "@1"); err != nil {
		t.Errorf("within the interval: %v", err)
	}
	clock.SetTime(clock.Now().Add(11 * time.Minute))
	esoSays(t, waitFor(t, ns, "shop-external", nil), "True", "SecretSynced", time.Now().Add(2*time.Minute), "shop-secrets")
	eventually(t, "the second restart", func() error { return restartedFor(path + "@2") })
}
