package controller

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestConfigMapAfterItsPods restarts a workload once whose pods started before their
// ConfigMap existed, and leaves alone one whose pods started later.
func TestConfigMapAfterItsPods(t *testing.T) {
	ready(t)
	ns := namespace(t, optedIn())
	early, p := deployment(t, ns, "early", "shop", marks{})
	runs(t, p)
	waitSecond(t)
	create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "shop-config"}, Data: map[string]string{"MODE": "x"}})
	waitSecond(t)
	late, p := deployment(t, ns, "late", "shop", marks{})
	runs(t, p)

	startDefault(t)
	waitForEvent(t, early, "RestartedForConfigMap")
	first := restartOf(t, early)
	if !strings.HasPrefix(first, "ConfigMap shop-config of ") {
		t.Errorf("it was restarted for %q", first)
	}
	settle(t, ns)
	if again := restartOf(t, early); again != first {
		t.Errorf("it was restarted again, for %q", again)
	}
	if got := restartOf(t, late); got != "" {
		t.Errorf("the one whose pods have the ConfigMap was restarted for %q", got)
	}
}

// runs has the container of a pod start now.
func runs(t *testing.T, p *corev1.Pod) {
	t.Helper()
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: p.Spec.Containers[0].Name, Image: "x", ImageID: "x",
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
	}}
	if err := kube.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}
