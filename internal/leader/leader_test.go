package leader

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// replica is one that stands for election, with what was run on it.
type replica struct {
	*Leader
	began, ended int
	fail         error
}

func newReplica(lease *Lease, objects *fake.Clientset, name string) *replica {
	r := &replica{}
	l := &Leader{log: logr.Discard(), run: func(ctx context.Context) error {
		r.began++
		defer func() { r.ended++ }()
		if r.fail != nil {
			return r.fail
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	if lease != nil {
		settings := lease.withDefaults()
		l.lease = &settings
		l.lock = &resourcelock.LeaseLock{
			LeaseMeta: metav1.ObjectMeta{Namespace: lease.Namespace, Name: lease.Name}, Client: objects.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		}
	}
	r.Leader = l
	return r
}

// TestTerms has two replicas take turns: one runs at a time, and each ends its
// term before the other one begins.
func TestTerms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := fake.NewClientset()
		lease := &Lease{Namespace: "envgraft-system", Name: "envgraft"}
		a, b := newReplica(lease, objects, "a"), newReplica(lease, objects, "b")
		start := func(r *replica) (stop func()) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.Start(ctx) }()
			return func() {
				cancel()
				if err := <-done; err != nil {
					t.Errorf("it ended with %v", err)
				}
			}
		}
		stopA := start(a)
		time.Sleep(time.Minute)
		synctest.Wait()
		if a.Elsewhere() || a.began != 1 {
			t.Fatalf("alone, a ran %d times; elsewhere: %t", a.began, a.Elsewhere())
		}
		stopB := start(b)
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.began != 0 || !b.Elsewhere() {
			t.Fatalf("beside a leader, b ran %d times; elsewhere: %t", b.began, b.Elsewhere())
		}
		stopA()
		if a.ended != 1 {
			t.Errorf("a did not end its term")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.began != 1 || b.Elsewhere() {
			t.Errorf("after a, b ran %d times; elsewhere: %t", b.began, b.Elsewhere())
		}

		// Somebody takes the lease from b, whose next renewal is a conflict.
		taken, err := objects.CoordinationV1().Leases(lease.Namespace).Get(t.Context(), lease.Name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		stolen := true
		objects.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			return stolen, nil, apierrors.NewConflict(coordinationv1.Resource("leases"), lease.Name, errors.New("it was changed"))
		})
		hold(t, objects, taken, "thief")
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.ended != 1 || !b.Elsewhere() {
			t.Errorf("without the lease, b ended %d terms; elsewhere: %t", b.ended, b.Elsewhere())
		}
		stolen = false
		hold(t, objects, taken, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.began != 2 {
			t.Errorf("b leads again: it ran %d times", b.began)
		}
		stopB()
	})
}

// hold writes who holds a lease, by whatever means.
func hold(t *testing.T, objects *fake.Clientset, lease *coordinationv1.Lease, holder string) {
	t.Helper()
	now := metav1.NewMicroTime(time.Now())
	lease.Spec.HolderIdentity, lease.Spec.RenewTime = &holder, &now
	leases := coordinationv1.SchemeGroupVersion.WithResource("leases")
	if err := objects.Tracker().Update(leases, lease, lease.Namespace); err != nil {
		t.Fatal(err)
	}
}

// TestTermThatFails stands for election again after each term that failed.
func TestTermThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplica(&Lease{Namespace: "n", Name: "l"}, fake.NewClientset(), "a")
		r.fail = errors.New("cannot list workloads")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if r.began < 3 {
			t.Errorf("it ran %d times within a minute", r.began)
		}
	})
}

// TestWithoutLease runs at once, and is never elsewhere.
func TestWithoutLease(t *testing.T) {
	want := errors.New("done")
	l, err := New(nil, nil, logr.Discard(), func(context.Context) error { return want })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context()); !errors.Is(err, want) {
		t.Errorf("it ended with %v", err)
	}
	if l.Elsewhere() || l.NeedLeaderElection() {
		t.Error("a single replica waits for another")
	}
}

// TestNew gives replicas of one host names of their own.
func TestNew(t *testing.T) {
	make1 := func() *Leader {
		l, err := New(&rest.Config{Host: "https://example.invalid"}, &Lease{Namespace: "n", Name: "l"}, logr.Discard(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	a, b := make1(), make1()
	if a.lock.Identity() == b.lock.Identity() {
		t.Errorf("both are %q", a.lock.Identity())
	}
	if a.lease.Duration != 15*time.Second || a.lease.RenewDeadline != 10*time.Second || a.lease.RetryPeriod != 2*time.Second {
		t.Errorf("the defaults are %+v", a.lease)
	}
}
