package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// newPass is a pass of an app with an empty memory, on a clock of its own.
func newPass() (*reconciler, *events.FakeRecorder, *clocktesting.FakeClock) {
	written := events.NewFakeRecorder(100)
	clock := clocktesting.NewFakeClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	memory := func() *utilcache.LRUExpireCache { return utilcache.NewLRUExpireCacheWithClock(100, clock) }
	return &reconciler{
		clock: clock, events: workloadevents.New(written, clock), failures: memory(), changes: memory(), applied: memory(), settled: memory(),
	}, written, clock
}

func passOf(r *reconciler) *pass {
	return &pass{reconciler: r, app: client.ObjectKey{Namespace: "shops", Name: "shop"}}
}

// TestStepsFailAlone has one step refused forever, and another that works: the
// one is reported and tried again ever more rarely, the other goes on.
func TestStepsFailAlone(t *testing.T) {
	r, written, clock := newPass()
	web := []workload.Ref{{Kind: workload.Deployment, Name: "web", UID: "u1"}}
	refused, good := 0, 0
	for second := range 3600 {
		p := passOf(r)
		p.try(t.Context(), eventNotWritten, "revoke ExternalSecret", web, func() error {
			refused++
			return errors.New("exceeded quota")
		})
		p.try(t.Context(), eventNotWritten, "write ExternalSecret", web, func() error { good++; return nil })
		if p.wait <= 0 || p.wait > maxRetry {
			t.Fatalf("second %d: nothing tries again: %s", second, p.wait)
		}
		clock.Step(time.Second)
	}
	if good != 3600 {
		t.Errorf("the other step was taken %d times", good)
	}
	if refused < 15 || refused > 25 {
		t.Errorf("the refused one was tried %d times within an hour, want 1 s, 2 s, … 5 min", refused)
	}
	if note := <-written.Events; !strings.Contains(note, "Warning ExternalSecretNotWritten cannot revoke ExternalSecret: exceeded quota") {
		t.Errorf("the Event says %q", note)
	}
	if len(written.Events) != 0 {
		t.Error("the same is said again within an hour")
	}

	// It works at last, and a failure after that is a new one.
	clock.Step(maxRetry)
	passOf(r).try(t.Context(), eventNotWritten, "revoke ExternalSecret", web, func() error { return nil })
	p := passOf(r)
	p.try(t.Context(), eventNotWritten, "revoke ExternalSecret", web, func() error { return errors.New("exceeded quota") })
	if p.wait != firstRetry || len(written.Events) != 1 {
		t.Errorf("after it worked it is tried again in %s, with %d Events", p.wait, len(written.Events))
	}
}

// TestNamespaceThatGoes is no failure of a step: its workloads are about to go.
func TestNamespaceThatGoes(t *testing.T) {
	r, written, _ := newPass()
	p := passOf(r)
	p.try(t.Context(), eventNotWritten, "write ExternalSecret", []workload.Ref{{UID: "u1"}}, func() error {
		err := apierrors.NewForbidden(corev1.Resource("externalsecrets"), "shop-external", errors.New("it is being terminated"))
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
		return err
	})
	if p.wait != 0 || len(written.Events) != 0 {
		t.Errorf("it is tried again in %s, with %d Events", p.wait, len(written.Events))
	}
}

// TestChangesAreRare bounds how often one ExternalSecret is made to be of something
// else, whatever its workloads ask for.
func TestChangesAreRare(t *testing.T) {
	r, _, clock := newPass()
	changes := 0
	for range 25 * 60 {
		p := passOf(r)
		if p.mayChange("shop-external") {
			changes++
		} else if p.wait <= 0 || p.wait > changeInterval {
			t.Fatalf("the last wish is not seen to: %s", p.wait)
		}
		clock.Step(40 * time.Millisecond)
	}
	if changes != changeBurst+1 {
		t.Errorf("%d changes in a minute of 25 wishes a second, want %d", changes, changeBurst+1)
	}
	if !passOf(r).mayChange("bank-external") {
		t.Error("another ExternalSecret may not change")
	}
}

// TestMadeBy compares what is wanted with what stands on an ExternalSecret.
func TestMadeBy(t *testing.T) {
	p := &pass{}
	for _, test := range []struct {
		reason string
		change func(*externalsecret.Wants)
		same   bool
	}{
		{"what it was made by", func(*externalsecret.Wants) {}, true},
		{"a deletion policy follows later", func(w *externalsecret.Wants) { w.DeletionPolicy = graft.DeletionPolicyRetain }, true},
		{"another parameter", func(w *externalsecret.Wants) { w.Parameter = "/other" }, false},
		{"another interval", func(w *externalsecret.Wants) { w.RefreshInterval = time.Hour }, false},
		{"another store", func(w *externalsecret.Wants) { w.Store.Name = "other" }, false},
	} {
		w := want().Wants
		test.change(&w)
		if got := p.madeBy(stored(t, want(), nil), w) == w; got != test.same {
			t.Errorf("%s: same is %t", test.reason, got)
		}
	}
}

// TestRemoved notes when ESO removed the Secret, keeps that, and forgets it with the
// Secret's name.
func TestRemoved(t *testing.T) {
	r, _, clock := newPass()
	now := clock.Now().Format(time.RFC3339)
	gone := func(e *externalsecret.ExternalSecret) {
		e.Status = synced("shop-secrets")
		e.Status.Conditions[0].Reason = "SecretDeleted"
	}
	noted := func(e *externalsecret.ExternalSecret) {
		e.Annotations = map[string]string{api.AnnotationSecretRemoved: "2025-01-01T00:00:00Z"}
	}
	for _, test := range []struct {
		reason string
		change func(*externalsecret.ExternalSecret)
		secret string
		want   string
	}{
		{"a Secret that is there", func(e *externalsecret.ExternalSecret) { e.Status = synced("shop-secrets") }, "shop-secrets", ""},
		{"ESO removed it", gone, "shop-secrets", now},
		{"it was removed before", noted, "shop-secrets", "2025-01-01T00:00:00Z"},
		{"another Secret is wanted", noted, "other", ""},
	} {
		e := stored(t, want(), nil)
		test.change(e)
		if got := passOf(r).removed(e, test.secret); got != test.want {
			t.Errorf("%s: got %q, want %q", test.reason, got, test.want)
		}
	}
	if got := passOf(r).removed(nil, "shop-secrets"); got != "" {
		t.Errorf("a new one: %q", got)
	}
	// What was noted stands on what is applied, so that the next leader knows it.
	d := want()
	d.Removed = now
	if e := stored(t, d, nil); e.Annotations[api.AnnotationSecretRemoved] != now || !d.matches(e) {
		t.Errorf("annotations are %v", e.Annotations)
	}
	if want := want(); want.matches(stored(t, d, nil)) {
		t.Error("a note that is taken back is not written")
	}
}

// TestListsWait has a new leader list 2,000 apps, and a new app come meanwhile: it is
// the first to be reconciled.
func TestListsWait(t *testing.T) {
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	s := &source{queue: queue}
	for n := range 2000 {
		s.changed(client.ObjectKey{Namespace: "shops", Name: fmt.Sprintf("listed-%d", n)})
	}
	s.listed.Store(true)
	s.changed(client.ObjectKey{Namespace: "shops", Name: "new"})
	if first, _ := queue.Get(); first.Name != "new" {
		t.Errorf("the first is %q, want the new app", first.Name)
	}
	if next, _ := queue.Get(); next.Name != "listed-0" {
		t.Errorf("then comes %q, want what was listed first", next.Name)
	}
}

// TestSilentESO reports an ExternalSecret that ESO calls ready and is not, on its
// workload and in the metric.
func TestSilentESO(t *testing.T) {
	for _, test := range []struct {
		reason string
		change func(e *externalsecret.ExternalSecret, now time.Time)
		state  externalsecret.State
		event  string
	}{
		{"it has what SSM has", func(*externalsecret.ExternalSecret, time.Time) {}, externalsecret.StateReady, ""},
		{"ESO was asked for a refresh two minutes ago", func(e *externalsecret.ExternalSecret, now time.Time) {
			e.Record.AsOf = now.Add(-2 * time.Minute)
			e.Status.RefreshTime = metav1.NewTime(now.Add(-time.Hour))
		}, externalsecret.StateUnanswered, "Warning ExternalSecretNotRefreshed External Secrets Operator has not answered since 2026-01-01T11:58:00Z"},
		{"it is being deleted", func(e *externalsecret.ExternalSecret, now time.Time) {
			at := metav1.NewTime(now.Add(-time.Hour))
			e.DeletionTimestamp = &at
		}, externalsecret.StateDeleting, `Warning ExternalSecretBeingDeleted ExternalSecret "shop-external" is being deleted since 2026-01-01T11:00:00Z`},
	} {
		r, written, clock := newPass()
		r.dependents = newDependents(metrics.New(prometheus.NewRegistry()))
		p := passOf(r)
		d := want()
		d.Record = &externalsecret.Record{Parameter: d.Wants.Parameter, Store: d.Wants.Store.String(), Version: 2, AsOf: clock.Now(), Keys: []string{"A"}}
		e := stored(t, d, func(e *externalsecret.ExternalSecret) {
			e.Status = synced("shop-secrets")
			e.Status.RefreshTime = metav1.NewTime(clock.Now())
		})
		test.change(e, clock.Now())
		claims := []claim{{Workload: workload.Ref{Kind: workload.Deployment, Name: "web", UID: "u1"}, Wants: d.Wants}}
		p.report(e.Health(clock.Now()), claims, true)
		if p.state != test.state {
			t.Errorf("%s: the state is %q, want %q", test.reason, p.state, test.state)
		}
		said := ""
		if len(written.Events) > 0 {
			said = <-written.Events
		}
		if !strings.HasPrefix(said, test.event) || (said == "") != (test.event == "") {
			t.Errorf("%s: the Event says %q, want %q", test.reason, said, test.event)
		}
		r.dependents.record(p.app, p.state, nil)
		if r.dependents.counts[test.state] != 1 {
			t.Errorf("%s: the metric counts %v", test.reason, r.dependents.counts)
		}
	}
}
