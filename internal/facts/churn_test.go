package facts

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// everything is a source that has every parameter.
type everything struct{}

func (everything) Name() metrics.Source { return metrics.SourceSSM }
func (everything) Key(q Question) Key   { return Key{Name: q.Parameter} }
func (everything) Read(context.Context, Key) Parameter {
	return Parameter{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"A", "B"}}}
}

// TestCacheChurn has 100,000 apps of 10,000 namespaces come and go within a day,
// and holds that nothing of them is left: no entry, series, goroutine or heap.
func TestCacheChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		m := metrics.New(reg)
		cache := NewCache(everything{}, m, CacheOptions{Budget: NewBudget(10, 40), MaxPerNamespace: 200})
		admit := func(n int) {
			cache.Parameter(t.Context(), Question{Namespace: fmt.Sprint("ns", n/10), Parameter: fmt.Sprintf("/ns%d/app%d/stage/app", n/10, n)})
		}
		for n := range 1000 { // what is made once is made
			admit(n)
			time.Sleep(time.Second)
		}
		rest := func() (heap uint64, goroutines, series int) {
			time.Sleep(time.Hour)
			admit(0)
			synctest.Wait()
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				series += len(f.GetMetric())
			}
			runtime.GC()
			runtime.GC()
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			return now.HeapAlloc, runtime.NumGoroutine(), series
		}
		heap, goroutines, series := rest()
		peak := 0
		for n := range 100_000 {
			admit(n)
			peak = max(peak, len(cache.memory.entries))
			time.Sleep(864 * time.Millisecond)
		}
		heapAfter, goroutinesAfter, seriesAfter := rest()
		if held := len(cache.memory.entries); held != 1 || len(cache.memory.shares) != 1 {
			t.Errorf("%d parameters of %d namespaces are remembered, want 1", held, len(cache.memory.shares))
		}
		if peak > 3000 {
			t.Errorf("%d parameters were remembered at a time, of some 1,400 that were asked for within two times ten TTLs", peak)
		}
		if seriesAfter != series || goroutinesAfter > goroutines {
			t.Errorf("%d series and %d goroutines, at first %d and %d", seriesAfter, goroutinesAfter, series, goroutines)
		}
		if grown := max(heapAfter, heap) - heap; grown > 5<<20 {
			t.Errorf("the heap grew by %d KiB", grown>>10)
		}
	})
}
