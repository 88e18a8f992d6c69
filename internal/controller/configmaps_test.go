package controller

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/envgraft/envgraft/internal/fair"
	"github.com/envgraft/envgraft/internal/plan"
)

// TestReadsOfConfigMaps reads a ConfigMap rarely, at a limited rate, and knows one that
// was deleted from one that never was.
func TestReadsOfConfigMaps(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	reads := 0
	cluster := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			reads++
			return c.Get(ctx, key, o, opts...)
		},
	}).Build()
	maps := newConfigMaps(cluster, clock)
	maps.budget = fair.New(clock, 1, 4)
	look := func() plan.ConfigMap {
		t.Helper()
		cm, err := maps.get(t.Context(), client.ObjectKey{Namespace: "shops", Name: "shop-config"})
		if err != nil || !cm.Known || cm.Wait <= 0 || cm.Wait > plan.ConfigMapInterval {
			t.Fatalf("got %+v, error %v", cm, err)
		}
		return cm
	}

	if cm := look(); cm.Found || cm.Deleted || !cm.Changed.IsZero() {
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
	clock.Step(plan.ConfigMapInterval)
	if cm := look(); !cm.Found || cm.Changed.IsZero() || !cm.Created.Equal(cm.Changed) {
		t.Errorf("one that was created: %+v", cm)
	}
	if err := cluster.Delete(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	clock.Step(plan.ConfigMapInterval)
	gone := look()
	if !gone.Deleted || !gone.Changed.Equal(clock.Now().Add(-plan.ConfigMapInterval)) {
		t.Errorf("one that was deleted, since it was last seen: %+v", gone)
	}
	clock.Step(plan.ConfigMapInterval)
	if again := look(); !again.Deleted || !again.Changed.Equal(gone.Changed) {
		t.Errorf("it was deleted once: %+v", again)
	}

	for range 10 {
		maps.budget.Take("shops")
	}
	other, err := maps.get(t.Context(), client.ObjectKey{Namespace: "shops", Name: "other-config"})
	if err != nil || other.Known || other.Wait != plan.ConfigMapInterval {
		t.Errorf("over the limit: %+v, error %v", other, err)
	}
}
