package lookup

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// ssm answers lookups from a list, the last one without end.
type ssm struct {
	mu      sync.Mutex
	answers []facts.Parameter
	asked   []facts.Question
	hang    chan struct{}
}

func (s *ssm) Parameter(ctx context.Context, q facts.Question) facts.Parameter {
	s.mu.Lock()
	s.asked = append(s.asked, q)
	s.mu.Unlock()
	if s.hang != nil {
		select {
		case <-s.hang:
		case <-ctx.Done():
			return is(graft.ParameterUnreachable, 0)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) == 0 {
		return is(graft.ParameterNotFound, 0)
	}
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return a
}

func is(state graft.ParameterState, version int64) facts.Parameter {
	return facts.Parameter{Parameter: graft.Parameter{State: state, Version: version}}
}

func about(namespace, name string) Subject {
	return Subject{App: client.ObjectKey{Namespace: namespace, Name: name}, Parameter: "/" + namespace + "/" + name}
}

func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// TestAnswersThatDoNotCount has SSM tell a new version and then answer the lookup
// as if there were none: what it answers next is found, and not 24 hours later.
func TestAnswersThatDoNotCount(t *testing.T) {
	for name, first := range map[string]facts.Parameter{
		"Denied":      is(graft.ParameterAccessDenied, 0),
		"Older":       is(graft.ParameterFound, 1),
		"Missing":     is(graft.ParameterNotFound, 0),
		"Throttled":   is(graft.ParameterThrottled, 0),
		"Unreachable": is(graft.ParameterUnreachable, 0),
	} {
		bubble(t, name, func(t *testing.T) { //nolint:thelper // it is the test
			source := &ssm{answers: []facts.Parameter{first, is(graft.ParameterFound, 2)}}
			reconciled := 0
			l := New(source, clock.RealClock{}, 5, func(client.ObjectKey) { reconciled++ })
			s := about("shops", "web")
			l.Outdated(s, externalsecret.Version{Number: 2})
			if _, ok, _ := l.Ask(s, facts.Question{FreshAfter: l.Newest(s)}); ok {
				t.Fatal("there is an answer before anybody was asked")
			}
			synctest.Wait()
			_, ok, wait := l.Ask(s, facts.Question{FreshAfter: l.Newest(s)})
			if ok || wait <= 0 || wait > Retry {
				t.Fatalf("an answer that does not count: ok is %t, and it is asked again in %s", ok, wait)
			}
			if _, _, known := l.Last(s); known {
				t.Error("it is kept")
			}
			time.Sleep(wait)
			l.Ask(s, facts.Question{FreshAfter: l.Newest(s)})
			synctest.Wait()
			p, ok, _ := l.Ask(s, facts.Question{FreshAfter: l.Newest(s)})
			if !ok || p.Version != 2 {
				t.Errorf("after the retry it is %+v, %t", p, ok)
			}
			if len(source.asked) != 2 || !source.asked[1].FreshAfter.After(source.asked[0].FreshAfter) {
				t.Errorf("asked %d times; the second must not be answered from a cache of the first", len(source.asked))
			}
			if reconciled != 2 {
				t.Errorf("the app was reconciled %d times, want once for the version and once for its keys", reconciled)
			}
			l.Recorded(s, externalsecret.Version{Number: 2})
			if _, _, known := l.Last(s); known || !l.Newest(s).IsZero() {
				t.Error("what is recorded is still remembered")
			}
		})
	}
}

// TestNewVersionThatIsNoObject counts: the parameter is what it is.
func TestNewVersionThatIsNoObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(&ssm{answers: []facts.Parameter{is(graft.ParameterInvalidJSON, 2)}}, clock.RealClock{}, 5, func(client.ObjectKey) {})
		s := about("shops", "web")
		l.Outdated(s, externalsecret.Version{Number: 2})
		l.Ask(s, facts.Question{FreshAfter: l.Newest(s)})
		synctest.Wait()
		if p, ok, _ := l.Ask(s, facts.Question{FreshAfter: l.Newest(s)}); !ok || p.State != graft.ParameterInvalidJSON {
			t.Errorf("it is %+v, %t", p, ok)
		}
	})
}

// TestRetriesDouble bounds the calls for a parameter of which no answer counts.
func TestRetriesDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &ssm{answers: []facts.Parameter{is(graft.ParameterThrottled, 0)}}
		l := New(source, clock.RealClock{}, 5, func(client.ObjectKey) {})
		for range 24 * 60 * 60 {
			l.Ask(about("shops", "web"), facts.Question{})
			time.Sleep(time.Second)
		}
		if got := len(source.asked); got < 24*6 || got > 24*6+10 {
			t.Errorf("%d calls in a day, want one every 10 minutes", got)
		}
	})
}

// TestNamespacesShareLookups has one namespace always ask for other parameters, as a
// Deployment does whose annotation changes all the time.
func TestNamespacesShareLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &ssm{}
		l := New(source, clock.RealClock{}, 5, func(client.ObjectKey) {})
		answered := 0
		for n := range 1000 {
			l.Ask(about("noisy", fmt.Sprint(n)), facts.Question{})
			time.Sleep(40 * time.Millisecond)
			if n%100 == 99 {
				s := about("quiet", fmt.Sprint(n))
				l.Ask(s, facts.Question{})
				synctest.Wait()
				if _, ok, _ := l.Ask(s, facts.Question{}); ok {
					answered++
				}
			}
		}
		if answered != 10 {
			t.Errorf("%d of 10 apps of the other namespace were looked up at once", answered)
		}
	})
}

// TestHangingLookupsOfOneNamespace leave room for another's.
func TestHangingLookupsOfOneNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &ssm{hang: make(chan struct{})}
		l := New(source, clock.RealClock{}, 1e6, func(client.ObjectKey) {})
		for n := range 1000 {
			l.Ask(about("noisy", fmt.Sprint(n)), facts.Question{})
			time.Sleep(time.Millisecond)
		}
		synctest.Wait() // the lookups are under way
		if got := len(source.asked); got != maxUnderWay/2 {
			t.Errorf("one namespace has %d lookups under way, want half of %d", got, maxUnderWay)
		}
		s := about("quiet", "web")
		l.Ask(s, facts.Question{})
		synctest.Wait()
		if got := len(source.asked); got != maxUnderWay/2+1 {
			t.Error("the other namespace found no room")
		}
		if wait := l.Soon(s); wait != patience {
			t.Errorf("its answer is worth %s", wait)
		}
		time.Sleep(timeout + time.Second)
		if wait := l.Soon(s); wait != 0 {
			t.Errorf("after it failed its answer is worth %s", wait)
		}
	})
}

// records are the ExternalSecrets of a cluster.
type records []*externalsecret.ExternalSecret

func (r records) Made(context.Context) ([]*externalsecret.ExternalSecret, error) { return r, nil }

func (r records) Question(_ context.Context, namespace string, w externalsecret.Wants) (facts.Question, string) {
	return facts.Question{Namespace: namespace, Parameter: w.Parameter}, ""
}

type versions map[string]facts.Version

func (v versions) KeyOf(q facts.Question) facts.Key { return facts.Key{Name: q.Parameter} }

func (v versions) Read(_ context.Context, keys []facts.Key) map[facts.Key]facts.Version {
	found := map[facts.Key]facts.Version{}
	for _, key := range keys {
		if version, ok := v[key.Name]; ok {
			found[key] = version
		}
	}
	return found
}

// TestVersionCheck finds what is newer than its record, a parameter that was missing
// included, of which ESO has made no Secret yet.
func TestVersionCheck(t *testing.T) {
	asOf := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	made := func(name string, change func(*externalsecret.ExternalSecret)) *externalsecret.ExternalSecret {
		e := &externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: name}, App: name}
		e.Spec.DataFrom = []externalsecret.DataFrom{{Extract: &externalsecret.Extract{Key: "/" + name}}}
		e.Record = &externalsecret.Record{Parameter: "/" + name, Store: e.Made().Store.String(), Version: 1, Modified: asOf, AsOf: asOf}
		if change != nil {
			change(e)
		}
		return e
	}
	missing := func(e *externalsecret.ExternalSecret) {
		e.Spec.Target.Template = externalsecret.TemplateGuard
		e.Record.State, e.Record.Version, e.Record.Modified = graft.ParameterNotFound, 0, time.Time{}
	}
	found := func(number int64, after time.Duration) facts.Version {
		return facts.Version{State: graft.ParameterFound, Number: number, Modified: asOf.Add(after)}
	}
	var reconciled []string
	l := New(nil, clock.RealClock{}, 5, func(app client.ObjectKey) { reconciled = append(reconciled, app.Name) })
	for _, test := range []struct {
		reason  string
		e       *externalsecret.ExternalSecret
		version facts.Version
		news    bool
	}{
		{"the same", made("same", nil), found(1, 0), false},
		{"a newer one", made("newer", nil), found(2, time.Hour), true},
		{"deleted and created again", made("again", nil), found(1, time.Hour), true},
		{"an older one, by a replica of SSM that lags", made("older", nil), found(1, -time.Hour), false},
		{"one that comes after its pods", made("late", missing), found(1, time.Hour), true},
		{"one that is missing still", made("missing", missing), facts.Version{State: graft.ParameterNotFound}, false},
		{"denied", made("denied", nil), facts.Version{State: graft.ParameterAccessDenied}, false},
		{"throttled", made("throttled", nil), facts.Version{State: graft.ParameterThrottled}, false},
		{"no record", made("unknown", func(e *externalsecret.ExternalSecret) { e.Record = nil }), found(2, time.Hour), false},
	} {
		reconciled = nil
		check := &VersionCheck{Versions: versions{"/" + test.e.Name: test.version}, External: records{test.e}, Lookups: l, Log: logr.Discard()}
		check.check(t.Context())
		if got := len(reconciled) == 1; got != test.news {
			t.Errorf("%s: reconciled is %t, want %t", test.reason, got, test.news)
		}
	}
	// A parameter that is deleted after its new version was seen is asked for no more.
	gone := made("newer", nil)
	s := SubjectOf(client.ObjectKey{Namespace: "shops", Name: "newer"}, gone.Made())
	if l.Newest(s).IsZero() {
		t.Fatal("the newer version is not remembered")
	}
	check := &VersionCheck{Versions: versions{"/newer": {State: graft.ParameterNotFound}}, External: records{gone}, Lookups: l, Log: logr.Discard()}
	check.check(t.Context())
	if !l.Newest(s).IsZero() {
		t.Error("it is still waited for")
	}
}
