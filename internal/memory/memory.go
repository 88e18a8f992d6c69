// Package memory is what a leader remembers of apps and pods between reconciliations.
// It only saves calls: a restart loses it, and costs those calls and nothing else.
package memory

import (
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"
)

// remembered bounds what is remembered of apps and pods.
const remembered = 65536

const (
	// FirstRetry is when a step that failed is tried again. It doubles with each
	// failure, up to MaxRetry.
	FirstRetry = time.Second
	// MaxRetry bounds that.
	MaxRetry = 5 * time.Minute

	// SettledTTL is how long pods are not considered again.
	SettledTTL = 24 * time.Hour

	checkedTTL = 24 * time.Hour
	appliedTTL = 24 * time.Hour
)

// Memory is what a leader remembers. Plans read it, and whoever carries them out
// writes it. It is safe for concurrent use.
type Memory struct {
	clock clock.PassiveClock
	// applied is the last apply of each ExternalSecret, and changes bounds how often
	// each is made to be of something else.
	applied, changes *utilcache.LRUExpireCache
	// checked is the newest pod for which an app's parameter was looked up.
	checked *utilcache.LRUExpireCache
	// settled are pods that need no more thought.
	settled *utilcache.LRUExpireCache
	// unused is since when ExternalSecrets were seen that nobody asks for, by UID.
	unused *utilcache.LRUExpireCache
	// failures are the steps that failed.
	failures *utilcache.LRUExpireCache
}

// New returns an empty Memory.
func New(c clock.PassiveClock) *Memory {
	cache := func() *utilcache.LRUExpireCache { return utilcache.NewLRUExpireCacheWithClock(remembered, c) }
	return &Memory{clock: c, applied: cache(), changes: cache(), checked: cache(), settled: cache(), unused: cache(), failures: cache()}
}

func get[V any](cache *utilcache.LRUExpireCache, key any) (V, bool) {
	value, ok := cache.Get(key)
	if !ok {
		var none V
		return none, false
	}
	v, ok := value.(V)
	return v, ok
}

// Step names a step of an app.
type Step struct {
	App types.NamespacedName
	// What is done, and to which object.
	What string
	// Reason is that of the Event when it fails; empty for a step that only reads.
	Reason string
}

// Settled says that there is no more to think of about pods.
func (m *Memory) Settled(about any) bool {
	_, ok := m.settled.Get(about)
	return ok
}

// Settle has pods not considered again for a while.
func (m *Memory) Settle(about any, ttl time.Duration) { m.settled.Add(about, true, ttl) }

// Unsettle has pods considered again.
func (m *Memory) Unsettle(about any) { m.settled.Remove(about) }

// Applied is what was applied, and the version of the object that came of it.
type Applied struct {
	Fingerprint     uint64
	ResourceVersion string
	At              time.Time
}

// Applied is the last apply of an ExternalSecret.
func (m *Memory) Applied(e types.NamespacedName) (Applied, bool) { return get[Applied](m.applied, e) }

// SetApplied remembers an apply.
func (m *Memory) SetApplied(e types.NamespacedName, a Applied) { m.applied.Add(e, a, appliedTTL) }

// ForgetApplied forgets the last apply: the informer has what came of it.
func (m *Memory) ForgetApplied(e types.NamespacedName) { m.applied.Remove(e) }

// changeInterval is the shortest time between two changes of what one ExternalSecret
// is made by: each costs a write, a lookup and a refresh by ESO, and whoever may
// change a Deployment could ask for 25 of them a second.
// The first changeBurst are made at once: a person who tries things out waits for none.
const (
	changeInterval = 30 * time.Second
	changeBurst    = 5
)

// UntilChange is when an ExternalSecret may be made to be of something else; 0 is now.
func (m *Memory) UntilChange(e types.NamespacedName) time.Duration {
	limiter, ok := get[*rate.Limiter](m.changes, e)
	if !ok {
		return 0
	}
	now := m.clock.Now()
	change := limiter.ReserveN(now, 1)
	defer change.CancelAt(now)
	return change.DelayFrom(now)
}

// Changed counts a change.
func (m *Memory) Changed(e types.NamespacedName) {
	limiter, ok := get[*rate.Limiter](m.changes, e)
	if !ok {
		limiter = rate.NewLimiter(rate.Every(changeInterval), changeBurst)
	}
	limiter.AllowN(m.clock.Now(), 1)
	m.changes.Add(e, limiter, changeBurst*changeInterval)
}

// Checked is when the newest pod was created for which an app's parameter was looked up.
func (m *Memory) Checked(e types.NamespacedName) time.Time {
	at, _ := get[time.Time](m.checked, e)
	return at
}

// SetChecked remembers that.
func (m *Memory) SetChecked(e types.NamespacedName, newest time.Time) {
	m.checked.Add(e, newest, checkedTTL)
}

// UnusedSince is since when an ExternalSecret is unused; zero where that was not seen.
func (m *Memory) UnusedSince(uid types.UID) time.Time {
	at, _ := get[time.Time](m.unused, uid)
	return at
}

// SetUnused remembers that for a while.
func (m *Memory) SetUnused(uid types.UID, since time.Time, ttl time.Duration) {
	m.unused.Add(uid, since, ttl)
}

// Used forgets that.
func (m *Memory) Used(uid types.UID) { m.unused.Remove(uid) }

// Failure is a step that failed, and when it is tried again.
type Failure struct {
	Times int
	Next  time.Time
}

// Failed is how a step failed; the zero Failure is for one that did not.
func (m *Memory) Failed(s Step) Failure {
	f, _ := get[Failure](m.failures, s)
	return f
}

// Fail remembers that a step failed, and returns in how long it is tried again.
func (m *Memory) Fail(s Step) time.Duration {
	last := m.Failed(s)
	delay := min(FirstRetry<<min(last.Times, 10), MaxRetry)
	m.failures.Add(s, Failure{Times: last.Times + 1, Next: m.clock.Now().Add(delay)}, 2*MaxRetry)
	return delay
}

// Succeed forgets that a step failed.
func (m *Memory) Succeed(s Step) { m.failures.Remove(s) }
