// Package fair shares a limited resource among namespaces: calls of SSM, and Events.
// No namespace can use up what the others need.
package fair

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Refusal says why a Budget refused something.
type Refusal int

// The refusals.
const (
	// Granted is none.
	Granted Refusal = iota
	// Empty is for a budget that all namespaces together have used up.
	Empty
	// Share is for a namespace that has used up its share.
	Share
)

// Budget bounds the calls a second, fairly: a namespace may take no more of
// what is there than it leaves to the others. So one that invents hundreds of
// apps has half of a full budget at once and all that comes in as long as it is
// alone, while the next one that asks still finds calls. It is safe for
// concurrent use.
type Budget struct {
	perSecond, burst float64
	clock            clock.PassiveClock

	mu   sync.Mutex
	left float64
	at   time.Time // when left was true
	// taken are each namespace's calls that did not come back yet. With left
	// they add up to burst.
	taken map[string]float64
}

// New returns a full budget of calls per second.
func New(c clock.PassiveClock, callsPerSecond float64, burst int) *Budget {
	return &Budget{
		perSecond: callsPerSecond, burst: float64(burst), clock: c, left: float64(burst),
		at: c.Now(), taken: map[string]float64{},
	}
}

// Take takes a call for the namespace, or says why not.
func (b *Budget) Take(namespace string) Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(b.clock.Now())
	const whole = 1 - 1e-9 // what comes back in parts may come short of it
	switch {
	case b.left < whole:
		return Empty
	case b.left-b.taken[namespace] < whole:
		return Share
	}
	b.left--
	b.taken[namespace]++
	return Granted
}

// refill gives back what came in since it was called last, to all alike.
func (b *Budget) refill(now time.Time) {
	back := b.perSecond * max(0, now.Sub(b.at).Seconds())
	b.at = now
	b.left = min(b.burst, b.left+back)
	for back > 0 && len(b.taken) > 0 {
		share := back / float64(len(b.taken))
		back = 0
		for namespace, taken := range b.taken {
			if taken > share {
				b.taken[namespace] = taken - share
				continue
			}
			back += share - taken // for those who still miss some
			delete(b.taken, namespace)
		}
	}
}
