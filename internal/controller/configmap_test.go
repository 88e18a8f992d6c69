package controller

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/fair"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/workload"
)

// TestReadsOfConfigMaps reads a ConfigMap rarely, at a limited rate, and knows one that
// was deleted from one that never was.
func TestReadsOfConfigMaps(t *testing.T) {
	r, _, clock := newPass()
	reads := 0
	cluster := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads++
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	r.client, r.configMaps, r.configMapReads = cluster, utilcache.NewLRUExpireCacheWithClock(10, clock), fair.New(clock, 1, 4)
	look := func() configMap {
		t.Helper()
		p := passOf(r)
		cm, known, err := p.configMap(t.Context(), "shop-config")
		if err != nil || !known || p.wait <= 0 || p.wait > configMapInterval {
			t.Fatalf("known %t, error %v, looked at again in %s", known, err, p.wait)
		}
		return cm
	}

	if cm := look(); cm.found || cm.deleted || !cm.changed.IsZero() {
		t.Errorf("one that never was: %+v", cm)
	}
	created := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-config", CreationTimestamp: metav1.NewTime(clock.Now())},
		Data:       map[string]string{"MODE": "canary-value"},
	}
	if err := cluster.Create(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	look()
	if reads != 1 {
		t.Errorf("%d reads at once, want 1", reads)
	}
	clock.Step(configMapInterval)
	if cm := look(); !cm.found || cm.changed.IsZero() || !cm.created.Equal(cm.changed) {
		t.Errorf("one that was created: %+v", cm)
	}
	if err := cluster.Delete(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	clock.Step(configMapInterval)
	gone := look()
	if !gone.deleted || !gone.changed.Equal(clock.Now()) {
		t.Errorf("one that was deleted: %+v", gone)
	}
	clock.Step(configMapInterval)
	if again := look(); !again.deleted || !again.changed.Equal(gone.changed) {
		t.Errorf("it was deleted once: %+v", again)
	}

	p := passOf(r)
	for range 10 {
		p.configMapReads.Take(p.app.Namespace)
	}
	if _, known, err := p.configMap(t.Context(), "other-config"); known || err != nil || p.wait != configMapInterval {
		t.Errorf("without a budget: known %t, error %v, again in %s", known, err, p.wait)
	}
}

// TestCompareWithConfigMap judges a pod that is older than the last change of its
// ConfigMap by when its containers started.
func TestCompareWithConfigMap(t *testing.T) {
	began := time.Date(2026, 1, 1, 11, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return began.Add(time.Duration(minutes) * time.Minute) }
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
		cm        configMap
		started   time.Time
		spoil     func(*reconciler)
		event     string
		restarted bool
		waits     bool
	}{
		{reason: "its containers started later than the pod was created", cm: configMap{found: true, created: at(10), changed: at(10)}, started: at(11)},
		{reason: "none of its containers runs", cm: configMap{found: true, created: at(10), changed: at(10)}},
		{
			reason: "it started before the ConfigMap existed, and Reloader ignores creations", cm: configMap{found: true, created: at(10), changed: at(10)},
			started: at(1), event: "Normal RestartedForConfigMap", restarted: true,
		},
		{
			reason: "nobody restarts it", cm: configMap{found: true, created: at(10), changed: at(10)}, started: at(1),
			spoil: func(r *reconciler) { r.options.NoRestarts = true },
			event: "Warning ConfigMapAppearedWithoutRestart pods, \"web-1\" for one, started before ConfigMap \"shop-config\" existed",
		},
		{reason: "the ConfigMap changed, and it is Reloader's turn", cm: configMap{found: true, created: at(-10), changed: at(58)}, started: at(1), waits: true},
		{
			reason: "it changed, and nothing restarted the pods", cm: configMap{found: true, created: at(-10), changed: at(10)}, started: at(1),
			event: "Warning StaleConfigMap pods, \"web-1\" for one, started before ConfigMap \"shop-config\" changed at 2026-01-01T11:10:00Z, and nothing has restarted them" +
				"; their own MODE hides keys that new pods get; it lacks GONE, without which their containers cannot be restarted: kubectl rollout restart",
		},
		{reason: "it was deleted", cm: configMap{deleted: true, changed: at(10)}, started: at(1), event: "Warning ConfigMapDeleted pods, \"web-1\" for one, run with what"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			r, written, clock := newPass() // at(60)
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{
					Namespace: "shops", Name: "web-1", UID: "pod", CreationTimestamp: metav1.NewTime(at(0)),
					Labels: map[string]string{"app.kubernetes.io/name": "shop"},
				},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Env: literals}}},
			}
			if !test.started.IsZero() {
				pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{
					StartedAt: metav1.NewTime(test.started),
				}}}}
			}
			holding := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-config"}, Data: map[string]string{"MODE": "x"}}
			deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "web", UID: "web"}}
			r.client = fake.NewClientBuilder().WithObjects(pod, deployment, holding).WithStatusSubresource(pod).Build()
			r.queue = restarts.New(restarts.Options{MaxConcurrent: 1, Now: clock.Now})
			r.Metrics = metrics.New(prometheus.NewRegistry())
			c := config.Default()
			c.Environment = "stage"
			r.Decider = graft.New(c.Engine())
			if test.spoil != nil {
				test.spoil(r)
			}
			p := passOf(r)
			p.ns = &identity.Namespace{Name: "shops", Labels: map[string]string{"envgraft.dev/inject": "enabled"}}
			test.cm.name = "shop-config"
			a := asker{workload: workload.Ref{APIVersion: "apps/v1", Kind: workload.Deployment, Namespace: "shops", Name: "web", UID: "web"}}
			if err := p.compareWithConfigMap(t.Context(), a, test.cm, ofWorkload{pod: "pod", workload: "web", name: "web-1", created: at(0)}); err != nil {
				t.Fatal(err)
			}
			said := ""
			if len(written.Events) > 0 {
				said = <-written.Events
			}
			if !strings.HasPrefix(said, test.event) || (said == "") != (test.event == "") {
				t.Errorf("the Event says %q, want %q", said, test.event)
			}
			if (p.wait > 0) != test.waits {
				t.Errorf("it is looked at again in %s", p.wait)
			}
			now := &appsv1.Deployment{}
			if err := r.client.Get(t.Context(), client.ObjectKeyFromObject(deployment), now); err != nil {
				t.Fatal(err)
			}
			if restarted := now.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] != ""; restarted != test.restarted {
				t.Errorf("restarted is %t", restarted)
			}
		})
	}
}

// TestCameLateOnce restarts a workload once for each time that a ConfigMap is created.
func TestCameLateOnce(t *testing.T) {
	c := cameLate(asker{}, configMap{name: "shop-config", created: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}, "web-1", behind{})
	if !c.served(rollout.Past{Causes: []string{"/a@1", c.version}}) {
		t.Error("it is restarted twice for one creation")
	}
	again := cameLate(asker{}, configMap{name: "shop-config", created: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}, "web-1", behind{})
	if again.served(rollout.Past{Causes: []string{c.version}}) {
		t.Error("a ConfigMap that was created again restarts nobody")
	}
}
