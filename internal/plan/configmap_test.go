package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/rollout"
)

// TestCompareWithConfigMap judges a pod that is older than the last change of its
// ConfigMap by when its containers started.
func TestCompareWithConfigMap(t *testing.T) {
	literals := []corev1.EnvVar{
		{Name: "MODE", Value: "literal"},
		{Name: "GONE", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "shop-config"}, Key: "GONE",
		}}},
		{Name: "MAYBE", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "shop-config"}, Key: "MAYBE", Optional: new(true),
		}}},
	}
	for _, test := range []struct {
		reason    string
		cm        ConfigMap
		started   time.Time
		spoil     func(*scenario)
		event     string
		restarted bool
		waits     bool
	}{
		{reason: "its containers started later than the pod was created", cm: ConfigMap{Found: true, Created: at(10), Changed: at(10)}, started: at(11)},
		{reason: "none of its containers runs", cm: ConfigMap{Found: true, Created: at(10), Changed: at(10)}},
		{
			reason: "it started before the ConfigMap existed, and Reloader ignores creations", cm: ConfigMap{Found: true, Created: at(10), Changed: at(10)},
			started: at(1), event: "", restarted: true,
		},
		{
			reason: "nobody restarts it", cm: ConfigMap{Found: true, Created: at(10), Changed: at(10)}, started: at(1),
			spoil: func(s *scenario) { s.rules.NoRestarts = true },
			event: "web ConfigMapAppearedWithoutRestart pods, \"web-1\" for one, started before ConfigMap \"shop-config\" existed",
		},
		{reason: "the ConfigMap changed, and it is Reloader's turn", cm: ConfigMap{Found: true, Created: at(-10), Changed: at(58)}, started: at(1), waits: true},
		{
			reason: "it changed, and nothing restarted the pods", cm: ConfigMap{Found: true, Created: at(-10), Changed: at(10)}, started: at(1),
			event: "web StaleConfigMap pods, \"web-1\" for one, started before ConfigMap \"shop-config\" changed at 2026-01-01T11:10:00Z, and nothing has restarted them" +
				"; their own MODE hides keys that new pods get; it lacks GONE, without which their containers cannot be restarted: kubectl rollout restart",
		},
		{reason: "it was deleted", cm: ConfigMap{Deleted: true, Changed: at(10)}, started: at(1), event: "web ConfigMapDeleted pods, \"web-1\" for one, run with what"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := newScenario(t)
			s.addPod("web-1", at(0), api.AnnotationParameterVersion, "1")
			s.pod = &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "web-1", UID: "web-1", Labels: map[string]string{api.LabelName: "shop"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Env: literals}}},
			}
			if !test.started.IsZero() {
				s.pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{
					StartedAt: metav1.NewTime(test.started),
				}}}}
			}
			s.data = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-config"}, Data: map[string]string{"MODE": "x"}}
			s.configMap = test.cm
			s.configMap.Known = true
			s.ESOVersion = ""
			if test.spoil != nil {
				test.spoil(s)
			}
			p := s.make(t)
			said := slices.DeleteFunc(p.said(), func(e string) bool { return strings.Contains(e, "ExternalSecretsOperatorMissing") })
			if test.event == "" && len(said) > 0 || test.event != "" && (len(said) != 1 || !strings.HasPrefix(said[0], test.event)) {
				t.Errorf("the Events say %q, want %q", said, test.event)
			}
			if (p.Wait > 0) != test.waits {
				t.Errorf("it is looked at again in %s", p.Wait)
			}
			if restarted := len(actionsOf[Restart](p)) == 1; restarted != test.restarted {
				t.Errorf("restarted is %t", restarted)
			}
		})
	}
}

// TestCameLateOnce restarts a workload once for each time that a ConfigMap is created.
func TestCameLateOnce(t *testing.T) {
	c := cameLate(asker{}, ConfigMap{Name: "shop-config", Created: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}, "web-1", behind{})
	if !c.served(rollout.Past{Causes: []string{"/a@1", c.Version}}) {
		t.Error("it is restarted twice for one creation")
	}
	again := cameLate(asker{}, ConfigMap{Name: "shop-config", Created: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}, "web-1", behind{})
	if again.served(rollout.Past{Causes: []string{c.Version}}) {
		t.Error("a ConfigMap that was created again restarts nobody")
	}
}
