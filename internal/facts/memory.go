package facts

import (
	"context"
	"sync"
	"time"

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

// asker is the namespace that a call is made for.
type asker struct {
	namespace string
	// budget is what the call is taken from; nil is for calls without bounds.
	budget *Budget
}

// refusal is why there is no answer.
type refusal int

const (
	// inFlight: the call is under way, and its answer will be kept.
	inFlight refusal = iota
	// refusedBudget: there is no call left for anybody.
	refusedBudget
	// refusedShare: the namespace has used up its share of the calls.
	refusedShare
	// refusedRoom: the namespace has asked for too many keys.
	refusedRoom
)

// memory remembers answers by key. However many ask for a key at once, one
// call for it is under way; and a call goes on when those who asked have given
// up, so that the next one finds its answer.
type memory[K comparable, V any] struct {
	// fetch asks now. It is given timeout to answer.
	fetch   func(ctx context.Context, key K, now time.Time) V
	timeout time.Duration
	life    func(V) shelfLife
	// late is the answer for those who get none in time.
	late func(who asker, why refusal) V
	// size bounds the entries, share those of one namespace (0: not), idle is how
	// long one is kept after its last call.
	size, share int
	idle        time.Duration

	mu      sync.Mutex
	entries map[K]*entry[V]
	shares  map[string]int
	swept   time.Time
}

// entry is what is remembered of one key.
type entry[V any] struct {
	// namespace is the one that asked first.
	namespace string
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
func (m *memory[K, V]) get(ctx context.Context, who asker, key K, freshAfter time.Time) (V, metrics.CacheOutcome) {
	now := time.Now()
	if freshAfter.After(now) {
		// A clock elsewhere is ahead of ours: no answer could ever be new enough.
		freshAfter = now
	}
	for {
		found, f, outcome := m.look(ctx, who, key, freshAfter)
		switch {
		case f == nil:
			return found, outcome
		case !waits(ctx, f):
			return m.answerNow(who, key, freshAfter)
		case f.answer.since(freshAfter):
			value, stale := m.bestOf(key, f.answer, freshAfter)
			if stale {
				outcome = metrics.CacheStale
			}
			return value, outcome
		}
		// The call was under way before freshAfter: ask again.
	}
}

// prefetch starts a call for a key of which nothing fresh is known.
func (m *memory[K, V]) prefetch(ctx context.Context, who asker, key K) {
	m.look(ctx, who, key, time.Time{})
}

// waits for a call and tells whether it came to its end in time.
func waits[V any](ctx context.Context, f *flight[V]) bool {
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// look answers from memory, or returns the call to wait for.
func (m *memory[K, V]) look(ctx context.Context, who asker, key K, freshAfter time.Time) (V, *flight[V], metrics.CacheOutcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	e := m.entry(who, key, now)
	if e == nil {
		return m.late(who, refusedRoom), nil, metrics.CacheMiss
	}
	if e.last.fresh(now, freshAfter) {
		if e.last.life.fault && e.good.kept(now, freshAfter) {
			return e.good.value, nil, metrics.CacheStale
		}
		return e.last.value, nil, metrics.CacheHit
	}
	if e.good.life.early && e.good.kept(now, freshAfter) {
		if e.flight == nil {
			m.launch(ctx, who, key, e)
		}
		return e.good.value, nil, metrics.CacheStale
	}
	if e.flight != nil {
		return e.good.value, e.flight, metrics.CacheWait
	}
	if why := m.launch(ctx, who, key, e); why != inFlight {
		value, outcome := m.keptOrLate(who, e, now, freshAfter, why)
		return value, nil, outcome
	}
	return e.good.value, e.flight, metrics.CacheMiss
}

// launch starts a call, if the budget has one. There is no queue for it: what
// is not to be had at once would mostly come after its admission was answered.
func (m *memory[K, V]) launch(ctx context.Context, who asker, key K, e *entry[V]) refusal {
	if who.budget != nil {
		if why := who.budget.take(who.namespace); why != inFlight {
			return why
		}
	}
	f := &flight[V]{done: make(chan struct{})}
	e.flight = f
	m.keep(key, e)
	// The call is for the next one who asks too, so it does not end with ctx.
	go m.fly(context.WithoutCancel(ctx), key, e, f)
	return inFlight
}

// fly makes the call and remembers its answer.
func (m *memory[K, V]) fly(ctx context.Context, key K, e *entry[V], f *flight[V]) {
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

// answerNow answers one who cannot wait for the call.
func (m *memory[K, V]) answerNow(who asker, key K, freshAfter time.Time) (V, metrics.CacheOutcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[key]
	if e == nil {
		return m.late(who, inFlight), metrics.CacheMiss
	}
	return m.keptOrLate(who, e, time.Now(), freshAfter, inFlight)
}

func (m *memory[K, V]) keptOrLate(who asker, e *entry[V], now, freshAfter time.Time, why refusal) (V, metrics.CacheOutcome) {
	if e.good.kept(now, freshAfter) {
		return e.good.value, metrics.CacheStale
	}
	return m.late(who, why), metrics.CacheMiss
}

// entry returns the entry of key, which it makes where there is none; nil where
// the namespace has no room for one more. A new entry is kept once a call is made
// for it: a question without a call must not use up the namespace's room, since
// whoever reaches the port can ask in any namespace's name.
func (m *memory[K, V]) entry(who asker, key K, now time.Time) *entry[V] {
	if e := m.entries[key]; e != nil {
		return e
	}
	if m.entries == nil {
		m.entries, m.shares = map[K]*entry[V]{}, map[string]int{}
	}
	// Not each time, while nothing has become idle: a sweep looks at all.
	const often = 10
	overQuota := m.overQuota(who.namespace)
	if len(m.entries) >= m.size || now.Sub(m.swept) > m.idle || overQuota && now.Sub(m.swept) > m.idle/often {
		m.sweep(now)
		overQuota = m.overQuota(who.namespace)
	}
	if overQuota {
		return nil
	}
	return &entry[V]{namespace: who.namespace}
}

// keep remembers an entry, and counts it for its namespace.
func (m *memory[K, V]) keep(key K, e *entry[V]) {
	if m.entries[key] == nil {
		m.entries[key] = e
		m.shares[e.namespace]++
	}
}

func (m *memory[K, V]) overQuota(namespace string) bool {
	return m.share > 0 && m.shares[namespace] >= m.share
}

// sweep forgets what nobody has asked for, and if that does not make room, any
// that it comes across: a sixteenth, so that it is not at it all the time.
func (m *memory[K, V]) sweep(now time.Time) {
	m.swept = now
	for key, e := range m.entries {
		if e.flight == nil && now.Sub(e.last.at) > m.idle {
			m.forget(key, e)
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
			m.forget(key, e)
		}
	}
}

func (m *memory[K, V]) forget(key K, e *entry[V]) {
	delete(m.entries, key)
	if m.shares[e.namespace]--; m.shares[e.namespace] == 0 {
		delete(m.shares, e.namespace)
	}
}
