package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/controller"
)

const staleGauge = "envgraft_stale_pods"

// podHash is the label that tells the revisions of a Deployment's pods apart.
const podHash = "pod-template-hash"

// TestNotInjected finds pods that are older than the opt-in of their namespace,
// and leaves them to people.
func TestNotInjected(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, nil)
	d := idle(t, ns, "web", "shop", marks{})
	rs := revision(t, d, "shop", marks{})
	notInjected(t, rs, podHash, "1")
	notInjected(t, rs, podHash, "1", api.LabelInject, api.Disabled)

	label(t, ns, api.LabelInject, api.Enabled)
	note := waitForEvent(t, d, "PodsNotInjected")
	if want := "kubectl rollout restart -n " + ns + " deployment/web"; !strings.Contains(note, want) {
		t.Errorf("the Event says %q, and not %q", note, want)
	}
	r.waitForGauge(t, staleGauge, "NotInjected", 1)
	settle(t, ns)
	if got := restartOf(t, d); got != "" {
		t.Errorf("it was restarted for %q", got)
	}

	// While the glass is broken, new pods would be no better.
	label(t, ns, api.LabelBypass, "")
	r.waitForGauge(t, staleGauge, "NotInjected", 0)
	unlabel(t, ns, api.LabelBypass)
	r.waitForGauge(t, staleGauge, "NotInjected", 1)

	// The next revision takes their place.
	waitSecond(t)
	pod(t, rs, "ReplicaSet", "apps/v1", "shop", marks{labels: map[string]string{podHash: "2"}})
	r.waitForGauge(t, staleGauge, "NotInjected", 0)
}

// TestRepair restarts a workload of pods that were not injected once, and no
// more where its next pods are not injected either.
func TestRepair(t *testing.T) {
	ready(t)
	start(t, controller.Options{Repair: true, ScanInterval: 50 * time.Millisecond})
	ns := namespace(t, optedIn())
	d := idle(t, ns, "web", "shop", marks{})
	rs := revision(t, d, "shop", marks{})
	notInjected(t, rs, podHash, "1")
	waitForEvent(t, d, "RestartedStalePods")
	first := restartOf(t, d)
	if !strings.HasPrefix(first, "NotInjected") {
		t.Errorf("it was restarted for %q", first)
	}

	waitSecond(t)
	notInjected(t, rs, podHash, "2") // no webhook answers
	settle(t, ns)
	again := notInjected(t, rs, podHash, "2")
	settle(t, ns)
	if got := restartOf(t, d); got != first {
		t.Errorf("it was restarted again, for %q", got)
	}

	// It is back, and one of two pods has what the other lacks: where it misses every
	// second one, another restart would come of each.
	waitSecond(t)
	pod(t, rs, "ReplicaSet", "apps/v1", "shop", marks{labels: map[string]string{podHash: "2"}})
	remove(t, again)
	settle(t, ns)
	settle(t, ns)
	if got := restartOf(t, d); got != first {
		t.Errorf("one good pod had it restarted again, for %q", got)
	}
}

// TestNobodysRestart has pods that say what is not so move no workload.
func TestNobodysRestart(t *testing.T) {
	ready(t)
	r := start(t, controller.Options{Repair: true, ScanInterval: 50 * time.Millisecond})
	ns := namespace(t, optedIn())
	d, _ := deployment(t, ns, "web", "shop", marks{})
	forged := revision(t, d, "shop", marks{})
	forged.UID = "00000000-0000-0000-0000-000000000000"
	notInjected(t, forged)
	finished := notInjected(t, revision(t, d, "shop", marks{}))
	finished.Status.Phase = corev1.PodSucceeded
	if err := kube.Status().Update(t.Context(), finished); err != nil {
		t.Fatal(err)
	}
	runJob(t, ns, "batch", "shop")
	settle(t, ns)
	settle(t, ns)
	if got := restartOf(t, d); got != "" {
		t.Errorf("it was restarted for %q", got)
	}
	if seen := eventsAbout(t, d); len(seen["PodsNotInjected"]) > 0 {
		t.Errorf("Events: %v", seen)
	}
	r.waitForGauge(t, staleGauge, "NotInjected", 0)
}

// TestShadowedKeys finds the pods that were admitted while the keys were not known,
// once they are.
func TestShadowedKeys(t *testing.T) {
	ready(t)
	r := start(t, controller.Options{Repair: true})
	ns := namespace(t, optedIn())
	r.parameters.put("/"+ns+"/shop/stage/app", 3, time.Now().Add(-time.Hour), "URL")
	r.parameters.put("/"+ns+"/bank/stage/app", 3, time.Now().Add(-time.Hour), "URL")
	hiding, harmless := idle(t, ns, "web", "shop", marks{}), idle(t, ns, "atm", "bank", marks{})
	for d, name := range map[*appsv1.Deployment]string{hiding: "URL", harmless: "COLOR"} {
		d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: name, Value: "literal"}}
		if err := kube.Update(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		replica1(t, d, d.Spec.Template.Labels[api.LabelName], marks{})
	}
	for _, app := range []string{"shop", "bank"} {
		esoSays(t, waitFor(t, ns, app+"-external", nil), "True", "SecretSynced", time.Now(), app+"-secrets")
		waitFor(t, ns, app+"-external", recorded(3, "URL"))
	}
	waitForEvent(t, hiding, "ShadowedKeys")
	r.waitForGauge(t, staleGauge, "ShadowedKey", 1)
	eventually(t, "the restart", func() error {
		if restartOf(t, hiding) == "" {
			return errors.New("there was none")
		}
		return nil
	})
	settle(t, ns)
	if got := restartOf(t, harmless); got != "" {
		t.Errorf("a workload whose literals hide nothing was restarted for %q", got)
	}
}

// TestOlderVersion gives Reloader its time, and then tells of what it left.
func TestOlderVersion(t *testing.T) {
	ready(t)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	r := start(t, controller.Options{Clock: clock})
	ns := namespace(t, optedIn())
	r.parameters.put("/"+ns+"/shop/stage/app", 4, time.Now().Add(-time.Hour), "URL")
	d, _ := deployment(t, ns, "web", "shop", annotated(api.AnnotationParameterVersion, "3"))
	// refresh has ESO go about its work, by which the app is reconciled.
	refresh := func(at time.Time) {
		esoSays(t, waitFor(t, ns, "shop-external", nil), "True", "SecretSynced", at, "shop-secrets")
	}
	refresh(time.Now())
	waitFor(t, ns, "shop-external", recorded(4, "URL"))
	refresh(time.Now().Add(time.Minute))
	settle(t, ns)
	if seen := eventsAbout(t, d); len(seen["StaleVersion"]) > 0 {
		t.Errorf("before Reloader had its time: %v", seen)
	}
	clock.SetTime(clock.Now().Add(10 * time.Minute))
	refresh(time.Now().Add(2 * time.Minute))
	if note := waitForEvent(t, d, "StaleVersion"); !strings.Contains(note, "version 3") || !strings.Contains(note, "at 4") {
		t.Errorf("the Event says %q", note)
	}
	r.waitForGauge(t, staleGauge, "OlderVersion", 1)
}

// TestOtherIdentity finds the pods whose namespace has moved to another
// environment since.
func TestOtherIdentity(t *testing.T) {
	ready(t)
	r := startDefault(t)
	ns := namespace(t, optedIn())
	d, _ := deployment(t, ns, "web", "shop", marks{})
	settle(t, ns)
	label(t, ns, api.LabelEnvironment, "prod")
	if note := waitForEvent(t, d, "StaleIdentity"); !strings.Contains(note, "/"+ns+"/shop/prod/app") {
		t.Errorf("the Event says %q", note)
	}
	r.waitForGauge(t, staleGauge, "OtherIdentity", 1)
}

// restartOf is what a Deployment says that it was last restarted for, and when.
func restartOf(t *testing.T, d *appsv1.Deployment) string {
	t.Helper()
	now := &appsv1.Deployment{}
	if err := kube.Get(t.Context(), client.ObjectKeyFromObject(d), now); err != nil {
		t.Fatal(err)
	}
	annotations := now.Spec.Template.Annotations
	if annotations[api.AnnotationRestartedFor] == "" {
		return ""
	}
	return annotations[api.AnnotationRestartedFor] + " at " + annotations[api.AnnotationRestartedAt]
}

func label(t *testing.T, ns, key, value string) {
	t.Helper()
	patch(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, key, value))
}

func unlabel(t *testing.T, ns, key string) {
	t.Helper()
	patch(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, key))
}
