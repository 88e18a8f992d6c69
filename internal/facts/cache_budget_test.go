package facts

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

func TestCacheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{Budget: NewBudget(10, 8)})
		var all sync.WaitGroup
		var mu sync.Mutex
		states := map[graft.ParameterState]int{}
		for i := range 100 {
			all.Go(func() {
				p, took := h.admitIn(fmt.Sprintf("team%d", i%2), fmt.Sprintf("/popapps/app%d/stage/app", i))
				if p.State == graft.ParameterThrottled && took != 0 {
					t.Errorf("waited %s only to hear that there is no call for it", took)
				}
				mu.Lock()
				defer mu.Unlock()
				states[p.State]++
			})
		}
		all.Wait()
		// Of 8 calls, two namespaces get at most what they leave each other.
		if states[graft.ParameterFound] < 4 || states[graft.ParameterFound] > 8 || states[graft.ParameterFound]+states[graft.ParameterThrottled] != 100 {
			t.Errorf("states of 100 admissions: %v", states)
		}
		if n := h.exhausted() + h.limited(metrics.NamespaceShare); n != float64(states[graft.ParameterThrottled]) {
			t.Errorf("the metrics count %v lookups without a call, want %d", n, states[graft.ParameterThrottled])
		}
		time.Sleep(10 * time.Second)
		if calls := h.made(); calls != states[graft.ParameterFound] {
			t.Errorf("%d calls, want those of the start: there is no queue", calls)
		}
	})
}

// TestCacheFairness is a namespace that invents apps, as fast as it can, and
// one that starts an app now and then.
func TestCacheFairness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{Budget: NewBudget(5, 20)})
		ctx, stop := context.WithCancel(t.Context())
		var greedy sync.WaitGroup
		greedy.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				for n := range 300 {
					h.admitIn("greedy", fmt.Sprintf("/greedy/app%d-%d/stage/app", i, n))
				}
				time.Sleep(time.Second)
			}
		})
		for n := range 60 {
			time.Sleep(5 * time.Second)
			if p, took := h.admitIn("modest", fmt.Sprintf("/modest/app%d/stage/app", n)); p.State != graft.ParameterFound || took != 20*time.Millisecond {
				t.Fatalf("app %d: %+v after %s, want its keys in one call's time", n, p.Parameter, took)
			}
		}
		stop()
		greedy.Wait()
	})
}

// TestCacheFirstPodsAtOnce are the pods of 200 new apps, each tried again every
// second until its keys are known, as unknownParameter: deny has it.
func TestCacheFirstPodsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{Budget: NewBudget(5, 20)})
		start := time.Now()
		var mu sync.Mutex
		atOnce := 0
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() {
				for {
					p, took := h.admitIn(fmt.Sprintf("team%d", n%10), fmt.Sprintf("/shop/app%d/stage/app", n))
					if took > 300*time.Millisecond {
						t.Errorf("an admission took %s", took)
					}
					if p.State != graft.ParameterFound {
						time.Sleep(time.Second)
						continue
					}
					if time.Since(start) < time.Second {
						mu.Lock()
						defer mu.Unlock()
						atOnce++
					}
					return
				}
			})
		}
		all.Wait()
		t.Logf("%d apps at once, all of 200 after %s", atOnce, time.Since(start))
		if atOnce < 15 || time.Since(start) > time.Minute || h.made() != 200 {
			t.Errorf("%d apps at once, all after %s, by %d calls; want nearly the burst of 20, a minute at most, and a call an app",
				atOnce, time.Since(start), h.made())
		}
	})
}

func TestCacheMaxPerNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		h := newHarness(t, CacheOptions{MaxPerNamespace: 200, Log: funcr.New(func(_, line string) { log.WriteString(line + "\n") }, funcr.Options{})})
		for n := range 300 {
			p, _ := h.admitIn("greedy", fmt.Sprintf("/greedy/app%d/stage/app", n))
			if n < 200 != (p.State == graft.ParameterFound) {
				t.Fatalf("app %d: %+v", n, p.Parameter)
			}
			const want = `namespace "greedy" had 200 parameters looked up within 10m0s, the most that one may: see externalSecrets.maxPerNamespace`
			if n >= 200 && p.Cause != want {
				t.Fatalf("its warning says %q, want %q", p.Cause, want)
			}
		}
		if h.limited(metrics.NamespaceParameters) != 100 {
			t.Errorf("the metric counts %v, want 100", h.limited(metrics.NamespaceParameters))
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), `"namespace"="greedy"`) {
			t.Errorf("the log names the namespace in %d lines, want one:\n%s", lines, log.String())
		}
		if p, _ := h.admitIn("greedy", "/greedy/app7/stage/app"); p.State != graft.ParameterFound {
			t.Errorf("what is known already: %+v", p.Parameter)
		}
		if p, _ := h.admitIn("modest", "/modest/app/stage/app"); p.State != graft.ParameterFound {
			t.Errorf("another namespace: %+v", p.Parameter)
		}
		time.Sleep(11 * time.Minute)
		if p, _ := h.admitIn("greedy", "/greedy/app299/stage/app"); p.State != graft.ParameterFound {
			t.Errorf("when its others are forgotten: %+v", p.Parameter)
		}
	})
}

// TestCacheForgedReviews has reviews in a victim's name ask for invented apps,
// as whoever reaches a port without server.clientCA can.
func TestCacheForgedReviews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{Budget: NewBudget(5, 20), MaxPerNamespace: 200})
		for n := range 10_000 {
			h.admitIn("victim", fmt.Sprintf("/victim/invented%d/stage/app", n))
		}
		if held := len(h.cache.memory.entries); held != h.made() || h.cache.memory.shares["victim"] != held {
			t.Errorf("%d entries are held and %d counted after %d calls: those without a call must not be", held, h.cache.memory.shares["victim"], h.made())
		}
		time.Sleep(time.Second)
		if p, _ := h.admitIn("victim", "/victim/app/stage/app"); p.State != graft.ParameterFound {
			t.Errorf("the victim's new app, a second later: %+v, want its keys", p.Parameter)
		}
	})
}

func TestCacheBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{Budget: NewBudget(1.0/3600, 1)})
		h.expect("takes the only call", found("A"), 20*time.Millisecond, 1)
		other := h.cache.By(NewBudget(1.0/3600, 1))
		if p := other.Parameter(t.Context(), ask("/popapps/other/stage/app")); p.State != graft.ParameterFound {
			t.Errorf("by a budget of its own: %+v", p.Parameter)
		}
		if p, took := h.admit("/popapps/other/stage/app", time.Time{}); p.State != graft.ParameterFound || took != 0 {
			t.Errorf("got %+v after %s, want what the other had fetched", p.Parameter, took)
		}
	})
}

func (h *harness) exhausted() float64 {
	families, err := h.reg.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "envgraft_ssm_budget_exhausted_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

func (h *harness) limited(by metrics.NamespaceLimit) float64 {
	return countOf(h.t, h.reg, "envgraft_namespace_limited_total", "reason", string(by))
}

func TestCacheBudgetServesStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{Budget: NewBudget(1.0/3600, 2)})
		h.expect("takes the first of two calls", found("A"), 20*time.Millisecond, 1)
		h.set(found("B"))
		time.Sleep(time.Minute)
		if p, _ := h.admitIn("other", "/popapps/other/stage/app"); p.State != graft.ParameterFound {
			t.Fatalf("got %+v, want Found by the second call", p.Parameter)
		}
		h.expect("no call to spare for a refresh", found("A"), 0, 2)
		h.set(graft.Parameter{State: graft.ParameterEmpty})
		if p, took := h.admitIn("third", "/popapps/third/stage/app"); p.State != graft.ParameterThrottled || took != 0 ||
			p.Cause != "envgraft's own budget of SSM calls is used up for now: see facts.callsPerSecond" {
			t.Errorf("got %+v after %s, want Throttled at once, by our own budget", p.Parameter, took)
		}
	})
}

func TestCacheRefreshTakesWhatIsToSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, CacheOptions{Budget: NewBudget(2, 1)})
		h.expect("first", found("A"), 20*time.Millisecond, 1)
		time.Sleep(time.Minute)
		h.admit("/popapps/other/stage/app", time.Time{})
		h.expect("no call to spare, no refresh", found("A"), 0, 2)
		time.Sleep(600 * time.Millisecond)
		if p, took := h.admit("/popapps/third/stage/app", time.Time{}); p.State != graft.ParameterFound || took != 20*time.Millisecond {
			t.Errorf("got %+v after %s, want the call that came in meanwhile", p.Parameter, took)
		}
	})
}
