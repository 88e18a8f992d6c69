package controller

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/controller"
)

// TestBeforeTheFirstPod has ExternalSecrets made when workloads appear: a pod
// that comes first would wait for its Secret as long as the kubelet likes.
func TestBeforeTheFirstPod(t *testing.T) {
	ready(t)
	deleteCRD(t, "rollouts.argoproj.io")
	startDefault(t)
	ns := namespace(t, optedIn())
	idle(t, ns, "web", "web", marks{})
	waitFor(t, ns, "web-external", ownedBy("Deployment/web"))
	spec := batchv1.JobSpec{Template: template("nightly", marks{})}
	spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	create(t, &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "nightly"},
		Spec:       batchv1.CronJobSpec{Schedule: "0 4 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: spec}},
	})
	waitFor(t, ns, "nightly-external", ownedBy("CronJob/nightly"))

	// Argo Rollouts come late, and go again.
	for range 2 {
		installRollouts(t)
		eventually(t, "a Rollout", func() error {
			return client.IgnoreAlreadyExists(kube.Create(t.Context(), newRollout(ns, "canary", "canary")))
		})
		waitFor(t, ns, "canary-external", ownedBy("Rollout/canary"))
		deleteCRD(t, "rollouts.argoproj.io")
		remove(t, newExternalSecret(ns, "canary-external", "v1"))
	}
}

// TestJobs runs a Job without CronJob ten times, whose pods go with its TTL:
// its ExternalSecret is made once, and deleted when its time has come.
func TestJobs(t *testing.T) {
	ready(t)
	clock := clocktesting.NewFakePassiveClock(time.Now())
	r := start(t, controller.Options{Clock: clock, KeepUnused: 24 * time.Hour})
	ns := namespace(t, optedIn())
	var first *unstructured.Unstructured
	for run := range 10 {
		p := runJob(t, ns, "migrate-"+strconv.Itoa(run), "migrate")
		e := waitFor(t, ns, "migrate-external", ownedBy())
		if first == nil {
			first = e
		}
		settle(t, ns)
		remove(t, p)
		settle(t, ns)
		clock.SetTime(clock.Now().Add(50 * time.Minute))
	}
	if now := waitFor(t, ns, "migrate-external", nil); now.GetUID() != first.GetUID() || now.GetGeneration() != first.GetGeneration() {
		t.Errorf("it was made again, or changed: %v, was %v", now.Object, first.Object)
	}
	if writes := len(r.calls.to("/externalsecrets/migrate-external")); writes != 1 {
		t.Errorf("ten runs cost %d writes: %q", writes, r.calls.to("migrate-external"))
	}

	// Then it does not run for long. A leader that comes late learns since when.
	looked := 0
	look := func() {
		looked++
		patch(t, newExternalSecret(ns, "migrate-external", "v1"), fmt.Sprintf(`{"metadata":{"annotations":{"envgraft.dev/looked":"%d"}}}`, looked))
	}
	clock.SetTime(clock.Now().Add(time.Hour))
	look()
	waitFor(t, ns, "migrate-external", func(e *unstructured.Unstructured) error {
		if e.GetAnnotations()["envgraft.dev/unused-since"] == "" {
			return fmt.Errorf("annotations are %v", e.GetAnnotations())
		}
		return nil
	})
	clock.SetTime(clock.Now().Add(21 * time.Hour))
	look()
	settle(t, ns)
	waitFor(t, ns, "migrate-external", nil)

	// Used once more it is as it was.
	p := runJob(t, ns, "migrate-again", "migrate")
	waitFor(t, ns, "migrate-external", func(e *unstructured.Unstructured) error {
		if since := e.GetAnnotations()["envgraft.dev/unused-since"]; since != "" {
			return fmt.Errorf("it is unused since %s", since)
		}
		return nil
	})
	remove(t, p)
	settle(t, ns)
	clock.SetTime(clock.Now().Add(25 * time.Hour))
	look()
	eventually(t, "deletion", func() error {
		_, err := getExternalSecret(t, ns, "migrate-external")
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%w: %w", errStill, err)
	})
}

// runJob makes a Job of its own, and its pod.
func runJob(t *testing.T, ns, name, app string) *corev1.Pod {
	t.Helper()
	tmpl := template(app, marks{})
	tmpl.Spec.RestartPolicy = corev1.RestartPolicyNever
	ttl := int32(0)
	job := create(t, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       batchv1.JobSpec{Template: tmpl, TTLSecondsAfterFinished: &ttl},
	})
	return pod(t, job, "Job", "batch/v1", app, marks{})
}
