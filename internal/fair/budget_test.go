package fair

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

func newBudget(perSecond float64, burst int) *Budget { return New(clock.RealClock{}, perSecond, burst) }

// bubble runs a test in synctest's time.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func takes(b *Budget, namespace string, limit int) int {
	for n := range limit {
		if b.Take(namespace) != Granted {
			return n
		}
	}
	return limit
}

func TestBudgetLeavesSomeToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(5, 20)
		if got := takes(b, "greedy", 1000); got != 10 {
			t.Errorf("one namespace got %d of 20 calls at once, want half", got)
		}
		if why := b.Take("greedy"); why != Share {
			t.Errorf("refused for %v, want its share", why)
		}
		if got := takes(b, "modest", 1); got != 1 {
			t.Error("the next namespace found no call")
		}
		if got := takes(b, "third", 1); got != 1 {
			t.Error("nor did the third")
		}
	})
}

func TestBudgetAloneGetsAllThatComesIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(5, 20)
		got := 0
		for range 600 {
			got += takes(b, "only", 1000)
			time.Sleep(100 * time.Millisecond)
		}
		if got < 10+299 || got > 10+300 {
			t.Errorf("%d calls in a minute, want the 10 of the start and 5 a second", got)
		}
	})
}

// TestBudgetOfMany has tenants take whatever they can get, all the time.
func TestBudgetOfMany(t *testing.T) {
	for _, greedy := range []int{1, 3, 10} {
		bubble(t, fmt.Sprintf("%dGreedy", greedy), func(t *testing.T) { //nolint:thelper // a test of its own
			b := newBudget(5, 20)
			calls := make([]int, greedy)
			for second := range 120 {
				for range 20 {
					for n := range calls {
						calls[n] += takes(b, fmt.Sprintf("greedy%d", n), 1000)
					}
					time.Sleep(50 * time.Millisecond)
				}
				if second%10 == 9 && b.Take("modest") != Granted {
					t.Errorf("second %d: a namespace that asks every 10 s found no call", second)
				}
			}
			for n, got := range calls {
				if even := 120 * 5 / greedy; got < even/2 {
					t.Errorf("namespace %d got %d calls of about %d", n, got, even)
				}
			}
		})
	}
}

// TestBudgetProperty: never more calls than the budget has, nothing is lost,
// and whoever took nothing lately finds a call where there is one.
func TestBudgetProperty(t *testing.T) {
	for seed := range uint64(50) {
		bubble(t, fmt.Sprint(seed), func(t *testing.T) { //nolint:thelper // a test of its own
			random := rand.New(rand.NewPCG(seed, 1))
			perSecond, burst := 0.5+random.Float64()*10, 1+random.IntN(40)
			b, start, got := newBudget(perSecond, burst), time.Now(), 0
			for range 2000 {
				namespace := fmt.Sprintf("ns%d", random.IntN(20))
				why := b.Take(namespace)
				if why == Granted {
					got++
				} else if b.left >= 1 && b.taken[namespace] == 0 {
					t.Fatalf("%f calls are left, and a namespace that took none got none", b.left)
				}
				sum := b.left
				for _, taken := range b.taken {
					sum += taken
				}
				if math.Abs(sum-float64(burst)) > 1e-6 {
					t.Fatalf("%f calls are left or taken, of %d", sum, burst)
				}
				time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
			}
			if limit := float64(burst) + perSecond*time.Since(start).Seconds(); float64(got) > limit+1e-6 {
				t.Errorf("%d calls, want %f at most", got, limit)
			}
		})
	}
}
