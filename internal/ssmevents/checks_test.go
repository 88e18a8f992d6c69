package ssmevents

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/facts"
)

// apps plays the controller: SSM's versions, and those that are recorded.
type apps struct {
	mu sync.Mutex
	// ssm, recorded and seen are versions by name: SSM's, the records', and the
	// newest that a check saw.
	ssm, recorded, seen map[string]int
	// lag is how long SSM answers with the version before.
	changed map[string]time.Time
	lag     time.Duration
	// down has SSM not answer; slow has nothing be recorded.
	down, slow bool
	calls      int
	asked      map[string]int
}

func newApps(names ...string) *apps {
	a := &apps{ssm: map[string]int{}, recorded: map[string]int{}, seen: map[string]int{}, changed: map[string]time.Time{}, asked: map[string]int{}}
	for _, name := range names {
		a.ssm[name], a.recorded[name] = 1, 1
	}
	return a
}

func (a *apps) put(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ssm[name]++
	a.changed[name] = time.Now()
}

func (a *apps) Concerned(c Change) []facts.Key {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.recorded[c.Name]; !ok {
		return nil
	}
	return []facts.Key{{Name: c.Name}}
}

func (a *apps) Check(_ context.Context, keys []facts.Key) map[facts.Key]Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	answers := map[facts.Key]Answer{}
	for batch := range slices.Chunk(keys, 10) {
		a.calls++
		for _, key := range batch {
			a.asked[key.Name]++
			version := a.ssm[key.Name]
			if time.Since(a.changed[key.Name]) < a.lag {
				version--
			}
			switch {
			case a.down:
			case version > a.recorded[key.Name]:
				answers[key] = Newer
				a.seen[key.Name] = version
				if !a.slow {
					time.AfterFunc(time.Second, func() {
						a.mu.Lock()
						defer a.mu.Unlock()
						a.recorded[key.Name] = version
					})
				}
			default:
				answers[key] = Unchanged
			}
		}
	}
	return answers
}

func (a *apps) Recorded(key facts.Key) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.recorded[key.Name] >= a.seen[key.Name]
}

// results counts what comes of events.
type results struct {
	mu   sync.Mutex
	seen map[Result]int
	lags []time.Duration
}

func (r *results) SSMEvent(result string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[Result]int{}
	}
	r.seen[Result(result)]++
}

func (r *results) SSMEventLag(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lags = append(r.lags, d)
}

// bench runs checks in a bubble.
type bench struct {
	*Checks
	*results
	deleted map[string]int
	mu      sync.Mutex
	n       int
}

func startChecks(t *testing.T, a *apps) *bench {
	t.Helper()
	r := &results{}
	b := &bench{Checks: NewChecks(a, r), results: r, deleted: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go b.Run(ctx)
	return b
}

// receive has an event of a name arrive, and returns its id.
func (b *bench) receive(name string, operation Operation) string {
	b.n++
	id := fmt.Sprint("event", b.n)
	b.redeliver(id, name, operation)
	return id
}

func (b *bench) redeliver(id, name string, operation Operation) {
	kept := b.add(Change{ID: id, Name: name, Operation: operation, At: time.Now()}, func() { b.note(id) })
	if !kept {
		b.note(id)
	}
}

func (b *bench) note(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deleted[id]++
}

func (b *bench) wantDeleted(t *testing.T, ids ...string) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(slices.Sorted(slices.Values(ids)), slices.Sorted(maps.Keys(b.deleted))); diff != "" {
		t.Errorf("deleted messages: -want, +got:\n%s", diff)
	}
}

func TestChecks(t *testing.T) {
	const shop = "/popapps/shop/stage/app"
	t.Run("Update", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			b := startChecks(t, a)
			a.put(shop)
			id := b.receive(shop, Update)
			b.wantDeleted(t) // before the record is written it must come again to the next leader
			time.Sleep(3 * time.Second)
			synctest.Wait()
			b.wantDeleted(t, id)
			if a.calls != 1 || len(b.lags) != 1 || b.lags[0] > 2*time.Second {
				t.Errorf("%d calls, lags %v: want one call and one lag below 2 s of the bubble", a.calls, b.lags)
			}
		})
	})
	t.Run("SSMIsBehind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			a.lag = 3 * time.Second
			b := startChecks(t, a)
			a.put(shop)
			id := b.receive(shop, Update)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			b.wantDeleted(t, id)
			if a.recorded[shop] != 2 || a.calls != 3 {
				t.Errorf("version %d after %d calls, want 2 after one at once, one after 1 s and one after 5 s", a.recorded[shop], a.calls)
			}
		})
	})
	t.Run("NothingChanged", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			b := startChecks(t, a)
			id := b.receive(shop, Update)
			time.Sleep(visibility)
			synctest.Wait()
			b.wantDeleted(t, id)
			if a.calls != 4 {
				t.Errorf("%d calls, want one at once and after 1, 5 and 30 s", a.calls)
			}
		})
	})
	t.Run("Duplicates", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			b := startChecks(t, a)
			a.put(shop)
			id := b.receive(shop, Update)
			b.redeliver(id, shop, Update)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			b.redeliver(id, shop, Update)
			time.Sleep(visibility)
			synctest.Wait()
			if a.calls != 1 || b.seen[ResultDuplicate] != 1 {
				t.Errorf("%d calls, results %v: want one call for three deliveries of one event", a.calls, b.seen)
			}
			if b.deleted[id] != 3 {
				t.Errorf("the message was deleted %d times, want each delivery", b.deleted[id])
			}
		})
	})
	t.Run("ChangedTwice", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			b := startChecks(t, a)
			a.put(shop)
			first := b.receive(shop, Update)
			time.Sleep(500 * time.Millisecond) // asked for, and not recorded yet
			synctest.Wait()
			a.put(shop)
			second := b.receive(shop, Update)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			b.wantDeleted(t, first, second)
			if a.recorded[shop] != 3 {
				t.Errorf("version %d is recorded, want the second change's", a.recorded[shop])
			}
		})
	})
	t.Run("SSMIsDown", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			a.down = true
			b := startChecks(t, a)
			a.put(shop)
			id := b.receive(shop, Update)
			time.Sleep(visibility)
			synctest.Wait()
			b.wantDeleted(t)
			a.down = false
			b.redeliver(id, shop, Update)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			b.wantDeleted(t, id)
		})
	})
	t.Run("NotRecorded", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			a.slow = true
			b := startChecks(t, a)
			a.put(shop)
			b.receive(shop, Update)
			time.Sleep(visibility)
			synctest.Wait()
			b.wantDeleted(t)
			if len(b.pending) != 0 {
				t.Errorf("%d parameters are pending when the message is visible again", len(b.pending))
			}
		})
	})
	t.Run("NoWork", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newApps(shop)
			b := startChecks(t, a)
			foreign, gone := b.receive("/payments/api/prod/app", Update), b.receive(shop, Delete)
			b.wantDeleted(t, foreign, gone)
			time.Sleep(visibility)
			synctest.Wait()
			if a.calls != 0 {
				t.Errorf("%d calls for a foreign parameter and a deleted one", a.calls)
			}
		})
	})
}

// TestBurst has 1,000 parameters change at once, each told of twice.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for n := range 1000 {
			names = append(names, fmt.Sprintf("/popapps/app%d/stage/app", n))
		}
		a := newApps(names...)
		b := startChecks(t, a)
		for _, name := range names {
			a.put(name)
			b.redeliver(b.receive(name, Update), name, Update)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		for _, name := range names {
			if a.recorded[name] != 2 {
				t.Fatalf("%s is not recorded", name)
			}
		}
		if a.calls > 100 {
			t.Errorf("%d calls of GetParameters for 1,000 changes, want 100 at most", a.calls)
		}
	})
}

// TestFlood has one parameter change all the time: the others do not wait.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApps("/popapps/noisy/stage/app", "/popapps/shop/stage/app")
		b := startChecks(t, a)
		for range 600 {
			a.put("/popapps/noisy/stage/app")
			b.receive("/popapps/noisy/stage/app", Update)
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
		}
		a.put("/popapps/shop/stage/app")
		b.receive("/popapps/shop/stage/app", Update)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if a.recorded["/popapps/shop/stage/app"] != 2 {
			t.Error("the quiet parameter is not recorded")
		}
		if asked := a.asked["/popapps/noisy/stage/app"]; asked > 20 {
			t.Errorf("the noisy parameter was asked for %d times in 32 s, want once in 2 s and a few", asked)
		}
	})
}
