package facts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Time in these tests is synctest's: it moves on only when all goroutines
// wait, so every duration below is exact.

// slowSource answers what it is told to, after a time.
type slowSource struct {
	mu      sync.Mutex
	answer  graft.Parameter
	latency time.Duration
	calls   []Key
	busy    int // calls under way
	maxBusy int // calls under way at once
}

func (s *slowSource) Name() metrics.Source       { return metrics.SourceSSM }
func (s *slowSource) Key(q Question) Key         { return Key{Name: q.Parameter, Access: q.Access} }
func (s *slowSource) set(answer graft.Parameter) { s.mu.Lock(); defer s.mu.Unlock(); s.answer = answer }

func (s *slowSource) made() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.calls) }

func (s *slowSource) slow(latency time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = latency
}

// peak is the most calls that were under way at once.
func (s *slowSource) peak() int { s.mu.Lock(); defer s.mu.Unlock(); return s.maxBusy }

func found(keys ...string) graft.Parameter {
	return graft.Parameter{State: graft.ParameterFound, Keys: keys}
}

func (s *slowSource) Read(ctx context.Context, key Key) Parameter {
	s.mu.Lock()
	s.calls = append(s.calls, key)
	s.busy++
	s.maxBusy = max(s.maxBusy, s.busy)
	answer, latency := s.answer, s.latency
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.busy--; s.mu.Unlock() }()
	select {
	case <-time.After(latency):
		return Parameter{Parameter: answer}
	case <-ctx.Done():
		return Parameter{Parameter: without(graft.ParameterUnreachable, "no answer in time")}
	}
}

// harness asks a cache as admissions do, 300 ms each.
type harness struct {
	*slowSource
	t     *testing.T
	cache *Cache
	reg   *prometheus.Registry
}

func newHarness(t *testing.T, options CacheOptions) *harness {
	t.Helper()
	reg := prometheus.NewRegistry()
	source := &slowSource{answer: found("A"), latency: 20 * time.Millisecond}
	return &harness{slowSource: source, t: t, reg: reg, cache: NewCache(source, metrics.New(reg), options)}
}

func (h *harness) admit(path string, freshAfter time.Time) (Parameter, time.Duration) {
	return h.question(Question{Namespace: "shop", Parameter: path, FreshAfter: freshAfter})
}

func (h *harness) admitIn(namespace, path string) (Parameter, time.Duration) {
	return h.question(Question{Namespace: namespace, Parameter: path})
}

func (h *harness) question(q Question) (Parameter, time.Duration) {
	ctx, cancel := context.WithTimeout(h.t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	p := h.cache.Parameter(ctx, q)
	return p, time.Since(start)
}

// expect admits once and compares the state, the time it took and the calls
// made so far.
func (h *harness) expect(reason string, want graft.Parameter, took time.Duration, calls int) {
	h.t.Helper()
	got, elapsed := h.admit(path, time.Time{})
	if got.State != want.State || !slices.Equal(got.Keys, want.Keys) {
		h.t.Errorf("%s: got %+v, want %+v", reason, got.Parameter, want)
	}
	if elapsed != took {
		h.t.Errorf("%s: took %s, want %s", reason, elapsed, took)
	}
	synctest.Wait()
	if h.made() != calls {
		h.t.Errorf("%s: %d calls so far, want %d", reason, h.made(), calls)
	}
}

func (h *harness) outcomes(want map[metrics.CacheOutcome]float64) {
	h.t.Helper()
	got := map[metrics.CacheOutcome]float64{}
	for _, outcome := range []metrics.CacheOutcome{metrics.CacheHit, metrics.CacheStale, metrics.CacheMiss, metrics.CacheWait} {
		if n := countOf(h.t, h.reg, "envgraft_parameter_cache_total", "outcome", string(outcome)); n > 0 {
			got[outcome] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("cache outcomes: -want +got\n%s", diff)
	}
}

// bubble runs a test in synctest's time.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestCacheOneCallInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if p, took := h.admit(path, time.Time{}); p.State != graft.ParameterFound || took != 20*time.Millisecond {
					t.Errorf("got %+v after %s, want Found after one call's time", p.Parameter, took)
				}
			})
		}
		all.Wait()
		if h.made() != 1 {
			t.Errorf("%d calls for 1000 admissions, want 1", h.made())
		}
		h.outcomes(map[metrics.CacheOutcome]float64{metrics.CacheMiss: 1, metrics.CacheWait: 999})
	})
}

func TestCacheStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		h.expect("first", found("A"), 20*time.Millisecond, 1)
		h.set(found("A", "B"))
		time.Sleep(59 * time.Second)
		h.expect("fresh", found("A"), 0, 1)
		time.Sleep(time.Second)
		h.expect("served stale at once, refreshed behind", found("A"), 0, 2)
		h.expect("still under way, no second call", found("A"), 0, 2)
		time.Sleep(21 * time.Millisecond)
		h.expect("the refresh came in", found("A", "B"), 0, 2)
		h.outcomes(map[metrics.CacheOutcome]float64{metrics.CacheMiss: 1, metrics.CacheHit: 2, metrics.CacheStale: 2})
		time.Sleep(601 * time.Second)
		h.set(found("C"))
		h.expect("too old to be served", found("C"), 20*time.Millisecond, 3)
	})
}

func TestCacheNegatives(t *testing.T) {
	for _, state := range []graft.ParameterState{
		graft.ParameterNotFound, graft.ParameterNotObject, graft.ParameterInvalidJSON, graft.ParameterEmpty,
	} {
		bubble(t, string(state), func(t *testing.T) { //nolint:thelper // a test of its own
			h := newHarness(t, CacheOptions{})
			negative := graft.Parameter{State: state}
			h.set(negative)
			h.expect("first", negative, 20*time.Millisecond, 1)
			time.Sleep(9 * time.Second)
			h.expect("remembered", negative, 0, 1)
			h.set(found("A"))
			time.Sleep(time.Second)
			h.expect("asked again, and waited for", found("A"), 20*time.Millisecond, 2)
		})
	}
}

var faults = []graft.ParameterState{graft.ParameterThrottled, graft.ParameterUnreachable, graft.ParameterAccessDenied}

func TestCacheFaultsNeverReplaceKeys(t *testing.T) {
	for _, fault := range faults {
		for _, good := range []graft.Parameter{found("A"), {State: graft.ParameterEmpty}} {
			bubble(t, string(fault)+"/"+string(good.State), func(t *testing.T) { //nolint:thelper // a test of its own
				h := newHarness(t, CacheOptions{})
				h.set(good)
				h.admit(path, time.Time{})
				asked := time.Now()
				h.set(graft.Parameter{State: fault, Cause: "down"})
				for time.Since(asked) < 599*time.Second {
					if p, _ := h.admit(path, time.Time{}); p.State != good.State {
						t.Fatalf("%s after it was found: %+v, want the keys that were known", time.Since(asked), p.Parameter)
					}
					time.Sleep(time.Second)
				}
				if calls := h.made(); calls > 61 {
					t.Errorf("%d calls in 600 s: a fault is to be remembered for 10 s", calls)
				}
				time.Sleep(2 * time.Second)
				if p, _ := h.admit(path, time.Time{}); p.State != fault || p.Cause != "down" {
					t.Errorf("after 10 TTLs: %+v, want the fault", p.Parameter)
				}
				h.set(found("B"))
				time.Sleep(10 * time.Second)
				if p, _ := h.admit(path, time.Time{}); p.State != graft.ParameterFound {
					t.Errorf("after the fault: %+v, want what is there now", p.Parameter)
				}
			})
		}
	}
}

func TestCacheFaultReplacesNegative(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		h.set(graft.Parameter{State: graft.ParameterInvalidJSON})
		h.expect("first", graft.Parameter{State: graft.ParameterInvalidJSON}, 20*time.Millisecond, 1)
		h.set(graft.Parameter{State: graft.ParameterUnreachable})
		time.Sleep(10 * time.Second)
		h.expect("a pod is not denied by what may long be repaired", graft.Parameter{State: graft.ParameterUnreachable}, 20*time.Millisecond, 2)
		h.expect("a fault is remembered too", graft.Parameter{State: graft.ParameterUnreachable}, 0, 2)
	})
}

func TestCacheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		h.slow(2 * time.Second)
		h.expect("the admission does not wait forever", graft.Parameter{State: graft.ParameterUnreachable}, 300*time.Millisecond, 1)
		h.expect("nor does the next, which makes no call of its own", graft.Parameter{State: graft.ParameterUnreachable}, 300*time.Millisecond, 1)
		time.Sleep(1400 * time.Millisecond)
		h.expect("the call went on and serves the next", found("A"), 0, 1)

		h.slow(time.Hour)
		time.Sleep(time.Minute)
		for range 7 {
			h.expect("keys are served while the refresh hangs, up to its timeout", found("A"), 0, 2)
			time.Sleep(time.Second)
		}
	})
}

func TestCacheCancelledAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p := h.cache.Parameter(ctx, ask(path)); p.State != graft.ParameterUnreachable {
			t.Errorf("got %+v, want Unreachable", p.Parameter)
		}
		time.Sleep(21 * time.Millisecond)
		h.expect("the call was made nonetheless", found("A"), 0, 1)
	})
}

func TestCacheFreshAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		h.expect("first", found("A"), 20*time.Millisecond, 1)
		h.set(found("B"))
		time.Sleep(time.Second)
		asked := time.Now()
		p, took := h.admit(path, asked)
		if !slices.Equal(p.Keys, []string{"B"}) || took != 20*time.Millisecond || p.Fetched.Before(asked) {
			t.Errorf("got %+v after %s, want a new answer, waited for", p, took)
		}
		if p, took = h.admit(path, asked); took != 0 || h.made() != 2 {
			t.Errorf("got %+v after %s and %d calls, want the answer that is new enough", p, took, h.made())
		}

		h.set(graft.Parameter{State: graft.ParameterUnreachable})
		time.Sleep(time.Second)
		if p, _ = h.admit(path, time.Now()); p.State != graft.ParameterUnreachable {
			t.Errorf("got %+v, want the fault: the keys are from before", p.Parameter)
		}
		h.expect("others are served what is known", found("B"), 0, 3)

		h.set(found("C"))
		time.Sleep(time.Second)
		if p, _ = h.admit(path, time.Now().Add(time.Hour)); !slices.Equal(p.Keys, []string{"C"}) || h.made() != 4 {
			t.Errorf("got %+v after %d calls, want one call although the clock elsewhere is ahead", p.Parameter, h.made())
		}
	})
}

func TestCacheFreshAfterCallUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		h.slow(100 * time.Millisecond)
		go h.admit(path, time.Time{})
		time.Sleep(50 * time.Millisecond)
		h.set(found("B"))
		p, took := h.admit(path, time.Now())
		if !slices.Equal(p.Keys, []string{"B"}) || took != 150*time.Millisecond || h.made() != 2 {
			t.Errorf("got %+v after %s and %d calls, want the answer of a second call", p.Parameter, took, h.made())
		}
		if h.peak() != 1 {
			t.Errorf("%d calls at once, want 1", h.peak())
		}
	})
}

func TestCacheSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{})
		h.slow(0) // or the first would be stale before the last is asked for
		for i := range 20_000 {
			h.admit(fmt.Sprintf("/popapps/app%d/stage/app", i), time.Time{})
		}
		for i := range 20_000 {
			h.admit(fmt.Sprintf("/popapps/app%d/stage/app", i), time.Time{})
		}
		if h.made() != 20_000 {
			t.Errorf("%d calls for 20,000 apps, want one each", h.made())
		}

		small := newHarness(t, CacheOptions{Size: 100})
		for i := range 1000 {
			small.admit(fmt.Sprintf("/popapps/app%d/stage/app", i), time.Time{})
			if n := len(small.cache.memory.entries); n > 100 {
				t.Fatalf("%d entries, want 100 at most", n)
			}
		}
		time.Sleep(11 * time.Minute)
		small.admit(path, time.Time{})
		if n := len(small.cache.memory.entries); n != 1 {
			t.Errorf("%d entries after all but one were idle, want 1", n)
		}
	})
}

// TestCacheProperty throws random weather at the cache and checks what holds
// always: no admission waits over its deadline, no two calls for a key at
// once, the budget, and that keys once known are not lost to a fault.
func TestCacheProperty(t *testing.T) {
	for seed := range uint64(30) {
		bubble(t, fmt.Sprint(seed), func(t *testing.T) { //nolint:thelper // a test of its own
			random := rand.New(rand.NewPCG(seed, 0))
			h := newHarness(t, CacheOptions{Budget: NewBudget(5, 5)})
			start := time.Now()
			var known time.Time // when keys were last asked for
			for range 500 {
				states := append([]graft.ParameterState{graft.ParameterFound, graft.ParameterFound}, faults...)
				h.mu.Lock()
				h.answer = graft.Parameter{State: states[random.IntN(len(states))]}
				h.latency = time.Duration(random.IntN(600)) * time.Millisecond
				h.mu.Unlock()
				p, took := h.admit(path, time.Time{})
				if took > 300*time.Millisecond {
					t.Fatalf("waited %s, want 300ms at most", took)
				}
				if p.State == graft.ParameterFound {
					known = p.Fetched
				} else if !known.IsZero() && time.Since(known) < 10*time.Minute {
					t.Fatalf("got %+v, but keys were known %s ago", p.Parameter, time.Since(known))
				}
				time.Sleep(time.Duration(random.IntN(20_000)) * time.Millisecond)
			}
			if h.peak() > 1 {
				t.Errorf("%d calls at once, want 1", h.peak())
			}
			if limit := 5 + int(5*time.Since(start).Seconds()); h.made() > limit {
				t.Errorf("%d calls, want %d at most by the budget", h.made(), limit)
			}
		})
	}
}

func TestUnchecked(t *testing.T) {
	p := Unchecked{Cause: "no --parameters given"}.Parameter(t.Context(), ask(path))
	if p.State != graft.ParameterUnchecked || p.Cause != "no --parameters given" {
		t.Errorf("got %+v", p.Parameter)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	source := &slowSource{answer: found("A", "B")}
	cache := NewCache(source, metrics.New(prometheus.NewRegistry()), CacheOptions{TTL: time.Hour})
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	cache.Parameter(ctx, ask(path))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			cache.Parameter(ctx, ask(path))
		}
	})
}

func BenchmarkParseKeys(b *testing.B) {
	value := []byte(`{"API_KEY":"hunter2hunter2","CACHE_TTL":"60","DATABASE_URL":"postgres://u:p@db/app","DEBUG":"0","N":1,"O":{"a":[1,2,3]}}`)
	b.ReportAllocs()
	for b.Loop() {
		ParseKeys(slices.Clone(value))
	}
}
