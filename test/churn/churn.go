// Package churn tests that nothing is kept of what comes and goes.
package churn

import (
	"runtime"
	"testing"
)

const (
	// some are what came before the first look: what is made once is made.
	some = 1000
	// many come and go between the two looks.
	many = 100_000
	// maxGrown is by how many bytes the heap may have grown.
	maxGrown = 5 << 20
)

// Churn is what comes and goes, as namespaces, apps, pods and parameters do.
type Churn struct {
	// Come has one come, and go, by its number.
	Come func(n int)
	// Rest waits until all that is kept for a while may have been dropped.
	Rest func()
	// Held counts what must be as many afterwards: entries, series. It may be nil.
	Held func() int
}

// Test has 100,000 come and go, and holds that heap, goroutines and what is counted
// are as they were.
func Test(t *testing.T, c Churn) {
	t.Helper()
	if c.Held == nil {
		c.Held = func() int { return 0 }
	}
	look := func(n int) (heap uint64, goroutines, held int) {
		for i := range n {
			c.Come(i)
		}
		c.Rest()
		held = c.Held()
		for range 3 { // what is only weakly held goes with the second
			runtime.GC()
		}
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		return now.HeapAlloc, runtime.NumGoroutine(), held
	}
	heap, goroutines, held := look(some)
	heapAfter, goroutinesAfter, heldAfter := look(many)
	if heldAfter != held {
		t.Errorf("%d are held, and %d were", heldAfter, held)
	}
	if goroutinesAfter > goroutines {
		t.Errorf("%d goroutines run, and %d did", goroutinesAfter, goroutines)
	}
	if grown := max(heapAfter, heap) - heap; grown > maxGrown {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
}
