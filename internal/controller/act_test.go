package controller

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// newActor has no memory, and a clock of its own.
func newActor(cluster client.Client) (*actor, *events.FakeRecorder, *clocktesting.FakeClock) {
	written := events.NewFakeRecorder(100)
	clock := clocktesting.NewFakeClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	return &actor{
		client: cluster, events: workloadevents.New(written, clock), memory: memory.New(clock), clock: clock,
		queue: restarts.New(restarts.Options{MaxConcurrent: 1, Now: clock.Now}), metrics: metrics.New(prometheus.NewRegistry()),
	}, written, clock
}

func web() workload.Ref {
	return workload.Ref{APIVersion: "apps/v1", Kind: workload.Deployment, Namespace: "shops", Name: "web", UID: "u1"}
}

func unused() plan.MarkUnused {
	return plan.MarkUnused{ExternalSecret: &externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "shop-external", UID: "es"}}}
}

func step(what string, actions ...plan.Action) plan.Step {
	return plan.Step{Step: memory.Step{What: what, Reason: "ExternalSecretNotWritten"}, About: []workload.Ref{web()}, Actions: actions}
}

// TestStepsFailAlone has one step refused, and another that works: the one is reported
// and tried again by itself, the other goes on.
func TestStepsFailAlone(t *testing.T) {
	good, refuse := 0, errors.New("exceeded quota")
	cluster := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return refuse
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			good++
			return nil
		},
	})
	a, written, clock := newActor(cluster)
	refused := step("mark ExternalSecret", unused())
	all := plan.Plan{Steps: []plan.Step{refused, step("delete ExternalSecret", plan.Delete{ExternalSecret: unused().ExternalSecret})}}
	if wait := a.carryOut(t.Context(), &plan.Snapshot{ESOVersion: "v1"}, all); wait != memory.FirstRetry || good != 1 {
		t.Errorf("it is tried again in %s, and the other was done %d times", wait, good)
	}
	if note := <-written.Events; !strings.Contains(note, `Warning ExternalSecretNotWritten cannot mark ExternalSecret: cannot mark ExternalSecret "shop-external" as unused: exceeded quota; it is tried again`) {
		t.Errorf("the Event says %q", note)
	}
	if wait := a.carryOut(t.Context(), &plan.Snapshot{ESOVersion: "v1"}, all); wait != 2*memory.FirstRetry || len(written.Events) != 0 {
		t.Errorf("it is tried again in %s, with %d Events more", wait, len(written.Events))
	}

	// It works at last, and a failure after that is a new one.
	refuse = nil
	clock.Step(memory.MaxRetry)
	if wait := a.carryOut(t.Context(), &plan.Snapshot{ESOVersion: "v1"}, all); wait != 0 || a.memory.Failed(refused.Step).Times != 0 {
		t.Errorf("after it worked it is tried again in %s", wait)
	}
	refuse = errors.New("exceeded quota")
	if wait := a.carryOut(t.Context(), &plan.Snapshot{ESOVersion: "v1"}, all); wait != memory.FirstRetry || len(written.Events) != 1 {
		t.Errorf("a new failure is tried again in %s, with %d Events", wait, len(written.Events))
	}
}

// TestStepsThatCannotBeDecided fail like those that cannot be carried out.
func TestStepsThatCannotBeDecided(t *testing.T) {
	a, _, _ := newActor(nil)
	undecided := step("judge pods", unused())
	undecided.Err = errors.New("cannot read owner")
	if wait := a.carryOut(t.Context(), &plan.Snapshot{}, plan.Plan{Steps: []plan.Step{undecided}}); wait != memory.FirstRetry {
		t.Errorf("it is tried again in %s", wait)
	}
}

// TestNamespaceThatGoes is no failure of a step: its workloads are about to go.
func TestNamespaceThatGoes(t *testing.T) {
	cluster := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			err := apierrors.NewForbidden(corev1.Resource("externalsecrets"), "shop-external", errors.New("it is being terminated"))
			err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
			return err
		},
	})
	a, written, _ := newActor(cluster)
	wait := a.carryOut(t.Context(), &plan.Snapshot{}, plan.Plan{Steps: []plan.Step{step("mark", unused())}})
	if wait != 0 || len(written.Events) != 0 {
		t.Errorf("it is tried again in %s, with %d Events", wait, len(written.Events))
	}
}

// TestApply looks at how the API server is asked; what it makes of that, the
// integration tests show.
func TestApply(t *testing.T) {
	for _, test := range []struct {
		reason string
		new    bool
	}{
		{"a new one gives way to one that somebody makes this moment", true},
		{"a field of ours that a person took is restored", false},
	} {
		var calls []client.ApplyOptions
		cluster := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
			Apply: func(_ context.Context, _ client.WithWatch, _ runtime.ApplyConfiguration, options ...client.ApplyOption) error {
				var o client.ApplyOptions
				o.ApplyOptions(options)
				calls = append(calls, o)
				return nil
			},
		})
		a, _, clock := newActor(cluster)
		object := &unstructured.Unstructured{}
		object.SetNamespace("shops")
		object.SetName("shop-external")
		a.carryOut(t.Context(), &plan.Snapshot{}, plan.Plan{Steps: []plan.Step{step("write", plan.Apply{Object: object, New: test.new, Fingerprint: 7})}})
		if len(calls) != 1 || calls[0].FieldManager != "envgraft" || (calls[0].Force != nil && *calls[0].Force) == test.new {
			t.Errorf("%s: the calls are %+v", test.reason, calls)
		}
		last, ok := a.memory.Applied(client.ObjectKeyFromObject(object))
		if !ok || last.Fingerprint != 7 || !last.At.Equal(clock.Now()) {
			t.Errorf("%s: %+v is remembered", test.reason, last)
		}
	}
}

// TestRefusedRestart has a policy refuse a restart: the plan goes on, people are
// told, the place is given back, and the restart is tried again by itself.
func TestRefusedRestart(t *testing.T) {
	refuses := interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "web", nil)
	}}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "web", UID: "u1"}}
	a, written, _ := newActor(fake.NewClientBuilder().WithObjects(deployment).WithInterceptorFuncs(refuses).Build())
	restart := plan.Restart{Cause: plan.Cause{Workload: web(), Parameter: "/a", About: "about", Version: "/a@1"}, Object: &unstructured.Unstructured{}}
	wait := a.carryOut(t.Context(), &plan.Snapshot{}, plan.Plan{Steps: []plan.Step{step("restart Deployment/web", restart)}})
	if wait != plan.RefusedRetry {
		t.Errorf("it is tried again after %s, want %s", wait, plan.RefusedRetry)
	}
	if a.memory.Settled("about") {
		t.Error("it is not tried again")
	}
	if len(written.Events) != 1 || !strings.Contains(<-written.Events, "envgraft cannot restart it") {
		t.Error("nobody is told")
	}
	if d := a.queue.Ask(restarts.Request{UID: "2", Kind: "Deployment", Name: "other", Group: restarts.Group{Namespace: "shops", Parameter: "/a"}, Version: "/a@1"}); d.Reason != "" {
		t.Errorf("its place is kept from others: %+v", d)
	}
}
