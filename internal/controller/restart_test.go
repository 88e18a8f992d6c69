package controller

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// TestRefusedRestart has a policy refuse a restart: the pass goes on, people are
// told, the place is given back, and the restart is tried again by itself.
func TestRefusedRestart(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	recorder := events.NewFakeRecorder(8)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "1"}}
	refuses := interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "web", nil)
	}}
	queue := restarts.New(restarts.Options{MaxConcurrent: 1, Now: clock.Now})
	p := &pass{reconciler: &reconciler{
		client: fake.NewClientBuilder().WithObjects(deployment).WithInterceptorFuncs(refuses).Build(),
		events: workloadevents.New(recorder, clock), clock: clock, settled: utilcache.NewLRUExpireCache(8), queue: queue,
	}}
	w := workload.Ref{APIVersion: "apps/v1", Kind: workload.Deployment, Namespace: "shop", Name: "web", UID: "1"}
	err := p.restart(t.Context(), cause{
		workload: w, parameter: "/a", about: "about", version: "/a@1", served: func(rollout.Past) bool { return false },
		left: event{eventNotRestarted, "restart it"},
	})
	if err != nil {
		t.Errorf("a restart that is refused ends the pass: %v", err)
	}
	if p.wait != refusedRetry {
		t.Errorf("it is tried again after %s, want %s", p.wait, refusedRetry)
	}
	if _, settled := p.settled.Get("about"); settled {
		t.Error("it is not tried again")
	}
	if len(recorder.Events) != 1 || !strings.Contains(<-recorder.Events, "envgraft cannot restart it") {
		t.Error("nobody is told")
	}
	if d := queue.Ask(restarts.Request{UID: "2", Kind: "Deployment", Name: "other", Group: restarts.Group{Namespace: "shop", Parameter: "/a"}, Version: "/a@1"}); d.Reason != "" {
		t.Errorf("its place is kept from others: %+v", d)
	}
}
