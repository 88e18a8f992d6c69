package facts

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/envgraft/envgraft/internal/metrics"
)

// shelfLife says how long an answer is good for, counted from when its
// question was asked.
type shelfLife struct {
	// fresh is how long it is given out without asking again.
	fresh time.Duration
	// kept is how long it is given out where nothing newer is to be had in
	// time; 0 for answers that are better unknown than old.
	kept time.Duration
	// early gives it out at once while it is being refreshed, up to kept.
	early bool
	// fault says that it is no answer, but the want of one. It never takes the
	// place of an answer that is kept.
	fault bool
}

// memory remembers answers by key. However many ask for a key at once, one
// call for it is under way; and a call goes on when those who asked have given
// up, so that the next one finds its answer.
type memory[K comparable, V any] struct {
	// fetch asks now. It is given timeout to answer.
	fetch   func(ctx context.Context, key K, now time.Time) V
	timeout time.Duration
	life    func(V) shelfLife
	// late is the answer for those who cannot wait for one: begun says whether
	// the call is under way, or could not be made within the budget.
	late func(key K, begun bool) V
	// budget bounds the calls; nil for none.
	budget *rate.Limiter
	// size bounds the entries, idle is how long one is kept after its last call.
	size int
	idle time.Duration

	mu      sync.Mutex
	entries map[K]*entry[V]
	swept   time.Time
}

// entry is what is remembered of one key.
type entry[V any] struct {
	// last is the last answer or fault; good is the last that was no fault.
	last, good answer[V]
	flight     *flight[V]
}

// answer is what was said to a question asked at a time, which is zero as long
// as nothing was.
type answer[V any] struct {
	value V
	at    time.Time
	life  shelfLife
}

// flight is a call under way.
type flight[V any] struct {
	// due is when the budget has room for it.
	due time.Time
	// done is closed when answer is set.
	done   chan struct{}
	answer answer[V]
}

// since tells whether the answer was asked for at notBefore or later.
func (a answer[V]) since(notBefore time.Time) bool {
	return !a.at.IsZero() && !a.at.Before(notBefore)
}

func (a answer[V]) fresh(now, notBefore time.Time) bool {
	return a.since(notBefore) && now.Sub(a.at) < a.life.fresh
}

func (a answer[V]) kept(now, notBefore time.Time) bool {
	return a.since(notBefore) && now.Sub(a.at) < a.life.kept
}

// get returns what is remembered of key, or waits for it until ctx is done.
// Answers to questions from before freshAfter do not count.
func (m *memory[K, V]) get(ctx context.Context, key K, freshAfter time.Time) (V, metrics.CacheOutcome) {
	now := time.Now()
	if freshAfter.After(now) {
		// A clock elsewhere is ahead of ours: no answer could ever be new enough.
		freshAfter = now
	}
	for {
		found, f, outcome := m.look(ctx, key, freshAfter)
		switch {
		case f == nil:
			return found, outcome
		case !waits(ctx, f):
			return m.settle(key, f, freshAfter)
		case f.answer.since(freshAfter):
			value, stale := m.bestOf(key, f.answer, freshAfter)
			if stale {
				outcome = metrics.CacheStale
			}
			return value, outcome
		}
		// The call was under way before freshAfter: ask anew.
	}
}

// waits for a call and tells whether it came to its end in time. It does not
// wait at all where the budget has no room for the call before ctx ends: the
// answer would be the same, only later.
func waits[V any](ctx context.Context, f *flight[V]) bool {
	if deadline, ok := ctx.Deadline(); ok && f.due.After(deadline) {
		return false
	}
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// look answers from memory, or returns the call to wait for.
func (m *memory[K, V]) look(ctx context.Context, key K, freshAfter time.Time) (V, *flight[V], metrics.CacheOutcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	e := m.entry(key, now)
	if e.last.fresh(now, freshAfter) {
		if e.last.life.fault && e.good.kept(now, freshAfter) {
			return e.good.value, nil, metrics.CacheStale
		}
		return e.last.value, nil, metrics.CacheHit
	}
	if e.good.life.early && e.good.kept(now, freshAfter) {
		if e.flight == nil {
			m.launch(ctx, key, e, now, 0)
		}
		return e.good.value, nil, metrics.CacheStale
	}
	if e.flight != nil {
		return e.good.value, e.flight, metrics.CacheWait
	}
	if !m.launch(ctx, key, e, now, m.timeout) {
		value, outcome := m.keptOrLate(key, e, now, freshAfter, false)
		return value, nil, outcome
	}
	return e.good.value, e.flight, metrics.CacheMiss
}

// launch starts a call that the budget has room for within patience. The queue
// for the budget is bounded that way; and refreshes, which nobody waits for,
// take only what is to spare.
func (m *memory[K, V]) launch(ctx context.Context, key K, e *entry[V], now time.Time, patience time.Duration) bool {
	f := &flight[V]{due: now, done: make(chan struct{})}
	if m.budget != nil {
		place := m.budget.ReserveN(now, 1)
		delay := place.DelayFrom(now)
		if delay > patience {
			place.CancelAt(now)
			return false
		}
		f.due = now.Add(delay)
	}
	e.flight = f
	// The call is for the next one who asks too, so it does not end with ctx.
	go m.fly(context.WithoutCancel(ctx), key, e, f)
	return true
}

// fly makes the call and remembers its answer.
func (m *memory[K, V]) fly(ctx context.Context, key K, e *entry[V], f *flight[V]) {
	time.Sleep(time.Until(f.due)) //nolint:forbidigo // its turn in the budget, which m.timeout bounds
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	now := time.Now()
	value := m.fetch(ctx, key, now)
	f.answer = answer[V]{value: value, at: now, life: m.life(value)}

	m.mu.Lock()
	defer m.mu.Unlock()
	e.last, e.flight = f.answer, nil
	if !f.answer.life.fault {
		e.good = f.answer
	}
	close(f.done)
}

// bestOf prefers what is kept to a fault.
func (m *memory[K, V]) bestOf(key K, a answer[V], freshAfter time.Time) (value V, stale bool) {
	if !a.life.fault {
		return a.value, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[key]; e != nil && e.good.kept(time.Now(), freshAfter) {
		return e.good.value, true
	}
	return a.value, false
}

// settle answers one who cannot wait for the call.
func (m *memory[K, V]) settle(key K, f *flight[V], freshAfter time.Time) (V, metrics.CacheOutcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	e := m.entry(key, now)
	return m.keptOrLate(key, e, now, freshAfter, !f.due.After(now))
}

func (m *memory[K, V]) keptOrLate(key K, e *entry[V], now, freshAfter time.Time, begun bool) (V, metrics.CacheOutcome) {
	if e.good.kept(now, freshAfter) {
		return e.good.value, metrics.CacheStale
	}
	return m.late(key, begun), metrics.CacheMiss
}

// entry returns the entry of key, which it makes where there is none.
func (m *memory[K, V]) entry(key K, now time.Time) *entry[V] {
	if e := m.entries[key]; e != nil {
		return e
	}
	if m.entries == nil {
		m.entries = map[K]*entry[V]{}
	}
	if len(m.entries) >= m.size || now.Sub(m.swept) > m.idle {
		m.sweep(now)
	}
	e := &entry[V]{}
	m.entries[key] = e
	return e
}

// sweep forgets what nobody has asked for, and if that does not make room, any
// that it comes across: a sixteenth, so that it is not at it all the time.
func (m *memory[K, V]) sweep(now time.Time) {
	m.swept = now
	for key, e := range m.entries {
		if e.flight == nil && now.Sub(e.last.at) > m.idle {
			delete(m.entries, key)
		}
	}
	if len(m.entries) < m.size {
		return
	}
	room := m.size - m.size/16 - 1
	for key, e := range m.entries {
		if len(m.entries) <= room {
			return
		}
		if e.flight == nil {
			delete(m.entries, key)
		}
	}
}
