package ssmevents

import (
	"context"
	"slices"
	"sync"
	"time"

	utilcache "k8s.io/apimachinery/pkg/util/cache"

	"github.com/envgraft/envgraft/internal/facts"
)

// The rule: a parameter is asked for at most once in two seconds, whatever the
// number of its events, and ten parameters by one call. SSM may still answer
// with the old version just after a change: the parameter is asked for again
// after 1, 5 and 30 s. A message is deleted when its change is recorded; until
// then it comes again, to this leader or the next.

const (
	// gather is how long a first event waits for others.
	gather = 200 * time.Millisecond
	// spacing is the min time between two questions for one parameter.
	spacing = 2 * time.Second
	// recordWait bounds how long a new version may take to be recorded. It ends
	// before the message is visible again.
	recordWait = 50 * time.Second
	// maxPending bounds what is held in memory. What comes beyond it stays in the
	// queue, and comes again.
	maxPending = 10_000
	// maxAsk bounds the keys of one Check, so that it ends well before the
	// messages are visible again.
	maxAsk = 100
	// rememberIDs is how long an event that was dealt with is known by its id.
	rememberIDs = 5 * time.Minute
)

// unchangedRetries are the waits after an answer without a new version.
func unchangedRetries() []time.Duration {
	return []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}
}

// Answer is what SSM said of a parameter that was asked for.
type Answer int

// The answers.
const (
	// Failed: SSM did not answer, or refused to.
	Failed Answer = iota
	// Unchanged: the version is the recorded one.
	Unchanged
	// Newer: there is a new version, and its apps are being reconciled.
	Newer
)

// Parameters is what the checks need of the controller.
type Parameters interface {
	// Concerned returns the keys of apps' parameters that a change is about.
	Concerned(Change) []facts.Key
	// Check asks SSM for the versions of parameters, ten by one call, and has
	// the apps of changed ones reconciled.
	Check(context.Context, []facts.Key) map[facts.Key]Answer
	// Recorded reports whether all apps of a parameter have the newest version
	// that Check saw on their ExternalSecrets.
	Recorded(facts.Key) bool
}

// Checks asks for the parameters that events are about. All queues share one.
type Checks struct {
	parameters Parameters
	recorder   Recorder
	wake       chan struct{}

	// finished are the ids of events that need no more work.
	finished *utilcache.LRUExpireCache

	mu      sync.Mutex
	pending map[facts.Key]*pending
}

// pending is a parameter that is to be asked for, or to be recorded.
type pending struct {
	// due is when to act next.
	due time.Time
	// changed is the oldest event's time.
	changed time.Time
	events  []waiting
	// retries counts the answers without a new version.
	retries int
	// newer is when SSM had a new version; zero while it had none.
	newer time.Time
	// again says that another event came after the question was asked.
	again bool
}

// waiting is an event, and what to call when it needs no more work.
type waiting struct {
	id   string
	done func()
}

// NewChecks makes the checks; Run runs them.
func NewChecks(parameters Parameters, recorder Recorder) *Checks {
	return &Checks{
		parameters: parameters, recorder: recorder, wake: make(chan struct{}, 1),
		finished: utilcache.NewLRUExpireCache(maxPending), pending: map[facts.Key]*pending{},
	}
}

// add notes a change. It returns false where the message needs no more work.
// Otherwise deleteMessage is called once that is so.
func (c *Checks) add(change Change, deleteMessage func()) bool {
	if _, ok := c.finished.Get(change.ID); ok {
		c.recorder.SSMEvent(string(ResultDuplicate))
		return false
	}
	keys := c.parameters.Concerned(change)
	switch {
	case len(keys) == 0:
		c.recorder.SSMEvent(string(ResultForeign))
		return false
	case change.Operation == Delete:
		// ESO with deletionPolicy Delete would remove a Secret that is in use: the
		// refresh interval decides, and a parameter that is made again is an event.
		c.recorder.SSMEvent(string(ResultDeleted))
		return false
	}
	done := afterAll(len(keys), func() {
		c.finished.Add(change.ID, struct{}{}, rememberIDs)
		deleteMessage()
	})
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		p := c.pending[key]
		switch {
		case p == nil && len(c.pending) >= maxPending:
			continue // done is never called: the message comes again
		case p == nil:
			p = &pending{due: now.Add(gather), changed: change.At}
			c.pending[key] = p
		case !slices.ContainsFunc(p.events, func(w waiting) bool { return w.id == change.ID }):
			p.again = true
		}
		p.events = append(p.events, waiting{change.ID, done})
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return true
}

// afterAll calls done at the last of n calls.
func afterAll(n int, done func()) func() {
	var mu sync.Mutex
	return func() {
		mu.Lock()
		n--
		last := n == 0
		mu.Unlock()
		if last {
			done()
		}
	}
}

// Run asks until ctx is done.
func (c *Checks) Run(ctx context.Context) {
	for {
		wait := c.step(ctx, time.Now())
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-c.wake:
			timer.Stop()
		}
	}
}

// idle is how long to wait where nothing is pending.
const idle = time.Hour

// step does what is due, and returns how long it is until the next.
func (c *Checks) step(ctx context.Context, now time.Time) time.Duration {
	ask, look := c.due(now)
	var answers map[facts.Key]Answer
	if len(ask) > 0 {
		answers = c.parameters.Check(ctx, ask)
	}
	recorded := make(map[facts.Key]bool, len(look))
	for _, key := range look {
		recorded[key] = c.parameters.Recorded(key)
	}
	now = time.Now()
	c.mu.Lock()
	var done []waiting
	for _, key := range ask {
		done = append(done, c.answered(key, answers[key], now)...)
	}
	for _, key := range look {
		done = append(done, c.looked(key, recorded[key], now)...)
	}
	wait := idle
	for _, p := range c.pending {
		wait = min(wait, max(0, p.due.Sub(now)))
	}
	c.mu.Unlock()
	for _, event := range done {
		event.done()
	}
	return wait
}

// due splits what is due by what is to be done.
func (c *Checks) due(now time.Time) (ask, look []facts.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, p := range c.pending {
		switch {
		case p.due.After(now):
		case p.newer.IsZero():
			ask = append(ask, key)
		default:
			look = append(look, key)
		}
	}
	slices.SortFunc(ask, func(a, b facts.Key) int { return c.pending[a].due.Compare(c.pending[b].due) })
	ask = ask[:min(len(ask), maxAsk)]
	for _, key := range ask {
		c.pending[key].again = false
	}
	return ask, look
}

// answered notes an answer of SSM, and returns what is done with that.
func (c *Checks) answered(key facts.Key, answer Answer, now time.Time) []waiting {
	p := c.pending[key]
	retries := unchangedRetries()
	switch {
	case answer == Newer:
		p.newer, p.due = now, now
		return nil
	case answer == Failed:
		delete(c.pending, key) // the messages come again
		c.count(ResultFailed, len(p.events))
		return nil
	case p.again:
		p.retries, p.due = 0, now.Add(spacing)
		return nil
	case p.retries < len(retries):
		p.due = now.Add(retries[p.retries])
		p.retries++
		return nil
	}
	delete(c.pending, key)
	c.count(ResultChecked, len(p.events))
	return p.events
}

// looked notes whether a new version was recorded.
func (c *Checks) looked(key facts.Key, recorded bool, now time.Time) []waiting {
	p := c.pending[key]
	switch {
	case recorded && p.again: // changed once more meanwhile
		c.recorder.SSMEventLag(now.Sub(p.changed))
		p.newer, p.retries, p.due = time.Time{}, 0, now.Add(spacing)
		return nil
	case recorded:
		delete(c.pending, key)
		c.recorder.SSMEventLag(now.Sub(p.changed))
		c.count(ResultChecked, len(p.events))
		return p.events
	case now.Sub(p.newer) > recordWait:
		delete(c.pending, key)
		c.count(ResultFailed, len(p.events))
		return nil
	}
	p.due = now.Add(gather)
	return nil
}

func (c *Checks) count(result Result, n int) {
	for range n {
		c.recorder.SSMEvent(string(result))
	}
}
