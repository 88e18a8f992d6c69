package expiring

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, int](clock.RealClock{}, 3, time.Hour)
		has := func(want map[string]int) {
			t.Helper()
			for _, key := range []string{"a", "b", "c", "d"} {
				value, ok := c.Get(key)
				if wanted, wants := want[key]; ok != wants || value != wanted {
					t.Errorf("%s: got %d %t, want %d %t", key, value, ok, wanted, wants)
				}
			}
			if c.Len() != len(want) {
				t.Errorf("%d entries, want %d", c.Len(), len(want))
			}
		}
		has(nil)
		c.Add("a", 1)
		time.Sleep(40 * time.Minute)
		c.Add("b", 2)
		c.Add("c", 3)
		has(map[string]int{"a": 1, "b": 2, "c": 3})
		c.Add("a", 4) // the newest now
		c.Add("d", 5)
		has(map[string]int{"a": 4, "c": 3, "d": 5})
		c.Remove("c")
		c.Remove("c")
		has(map[string]int{"a": 4, "d": 5})
		time.Sleep(time.Hour - time.Nanosecond)
		has(map[string]int{"a": 4, "d": 5})
		time.Sleep(time.Nanosecond)
		has(nil)
	})
}

// TestCacheShrinks holds that nothing is left of what has expired, whether or not
// something is added later.
func TestCacheShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heap := func() uint64 {
			runtime.GC()
			runtime.GC()
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			return now.HeapAlloc
		}
		c := New[[32]byte, [64]byte](clock.RealClock{}, 1<<20, time.Hour)
		before := heap()
		for n := range 100_000 {
			c.Add([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}, [64]byte{})
		}
		if held := heap() - before; held < 10<<20 {
			t.Fatalf("100,000 entries take %d KiB", held>>10)
		}
		time.Sleep(time.Hour)
		c.Get([32]byte{})
		if after := heap(); after > before+1<<20 {
			t.Errorf("%d KiB are left of entries that expired", (after-before)>>10)
		}
		runtime.KeepAlive(c)
	})
}
