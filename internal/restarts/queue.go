// Package restarts decides when the controller may restart a workload: up to a
// number at a time, and within windows. Of the workloads that share a parameter
// one goes first, and the others follow when its new pods are ready. The queue
// makes no calls: its caller asks again, and reports the state of the workloads
// that were restarted before.
package restarts

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// Poll is how often whoever waits is to ask again, unless Options say otherwise.
	Poll = 20 * time.Second
	// left is after how long somebody who does not ask any more waits no more.
	left = 10 * Poll
	// longWait bounds a wait for a window: clocks are set.
	longWait = time.Hour
	// unreadable is after how long a workload that cannot be read holds up nobody.
	unreadable = time.Hour
	// provenFor is how long it is remembered that a version works.
	provenFor = 24 * time.Hour
)

// Group is what is held together: workloads of one namespace that share a
// parameter. Those of another namespace are somebody else's, whose unready pods
// must hold up nobody here.
type Group struct{ Namespace, Parameter string }

// Request is a restart that is wanted.
type Request struct {
	UID                    types.UID
	APIVersion, Kind, Name string
	Group                  Group
	// Version is what it is for.
	Version string
}

// Reason is why a restart waits.
type Reason string

// The reasons.
const (
	// Window is for a time at which nothing is restarted.
	Window Reason = "window"
	// Turn is for others that are being restarted.
	Turn Reason = "turn"
	// Held is for one of the group whose new pods do not get ready.
	Held Reason = "held"
)

// Reasons lists all reasons.
func Reasons() []Reason { return []Reason{Window, Turn, Held} }

// Decision says whether to restart now.
type Decision struct {
	// Reason is empty for now.
	Reason Reason
	// Wait is when to ask again.
	Wait time.Duration
	// By is the workload that is waited for, where it is one.
	By Request
}

// Progress is the state of a workload that was restarted.
type Progress string

// What may be seen of it.
const (
	// Rolling has pods of before, or new ones that are not ready.
	Rolling Progress = "rolling"
	// Ready has new pods alone, all ready.
	Ready Progress = "ready"
	// Released has a person's word that others need not wait for it.
	Released Progress = "released"
	// Idle replaces no pods: it neither proves a version nor holds up anybody.
	Idle Progress = "idle"
	// Unknown could not be read.
	Unknown Progress = "unknown"
	// Gone is not there any more.
	Gone Progress = "gone"
)

// Options are the rules; zero values are defaults.
type Options struct {
	// MaxConcurrent is how many workloads are restarted at a time. The default is 10.
	MaxConcurrent int
	// Windows are when; none is always.
	Windows []Span
	// ReadyTimeout is how long new pods may take before they hold the others up.
	// The default is 10 minutes.
	ReadyTimeout time.Duration
	// Poll is how often whoever waits is to ask again. The default is 20 s.
	Poll time.Duration
	// Now is the clock. The default is the real one.
	Now func() time.Time
	// Waiting is told how many wait, by reason, whenever it changes.
	Waiting func(map[Reason]int)
}

func (o Options) withDefaults() Options {
	o.MaxConcurrent = cmp.Or(o.MaxConcurrent, 10)
	o.ReadyTimeout = cmp.Or(o.ReadyTimeout, 10*time.Minute)
	o.Poll = cmp.Or(o.Poll, Poll)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Waiting == nil {
		o.Waiting = func(map[Reason]int) {}
	}
	return o
}

// Queue is the restarts that are under way, and those that wait. What it knows
// is of one leader's term: the next one begins with an empty queue.
type Queue struct {
	options Options

	mu      sync.Mutex
	running map[types.UID]*run
	waiting map[types.UID]*waiter
	// proven are the versions that a workload of the group got ready with.
	proven map[Group]proof
}

// run is a restart whose end was not seen yet.
type run struct {
	Request

	since, looked time.Time
	// known is when it was last seen to roll.
	known time.Time
	// held gives back the place, and holds up the group.
	held bool
}

type waiter struct {
	Request

	since, asked time.Time
	reason       Reason
}

type proof struct {
	version string
	at      time.Time
}

// New returns an empty queue.
func New(options Options) *Queue {
	return &Queue{
		options: options.withDefaults(),
		running: map[types.UID]*run{}, waiting: map[types.UID]*waiter{}, proven: map[Group]proof{},
	}
}

// Ask says whether a workload may be restarted now; whoever is told so does it.
func (q *Queue) Ask(r Request) Decision {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.options.Now()
	q.forgetOld(now)
	w, known := q.waiting[r.UID]
	if !known {
		w = &waiter{since: now}
		q.waiting[r.UID] = w
	}
	w.Request, w.asked = r, now
	d := q.decide(w, now)
	w.reason = d.Reason
	if d.Reason == "" {
		delete(q.waiting, r.UID)
		q.running[r.UID] = &run{Request: r, since: now, looked: now, known: now}
	}
	q.tell()
	return d
}

func (q *Queue) decide(w *waiter, now time.Time) Decision {
	if wait := untilOpen(q.options.Windows, now); wait > 0 {
		return Decision{Reason: Window, Wait: min(wait, longWait)}
	}
	turn := Decision{Reason: Turn, Wait: q.options.Poll}
	for _, r := range q.sorted() {
		switch {
		case r.Group != w.Group || r.UID == w.UID:
		case r.held:
			return Decision{Reason: Held, Wait: q.options.Poll, By: r.Request}
		case q.proven[w.Group].version != w.Version:
			turn.By = r.Request
		}
	}
	if turn.By.UID != "" || q.taken("") >= q.options.MaxConcurrent || q.isAhead(w) {
		return turn
	}
	return Decision{}
}

// sorted are the restarts under way, the oldest first.
func (q *Queue) sorted() []*run {
	all := make([]*run, 0, len(q.running))
	for _, r := range q.running {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *run) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.UID, b.UID)) })
	return all
}

// taken counts the places that are taken, by a namespace or by all.
func (q *Queue) taken(namespace string) int {
	n := 0
	for _, r := range q.running {
		if !r.held && (namespace == "" || r.Group.Namespace == namespace) {
			n++
		}
	}
	return n
}

// isAhead says that the next place is another's: of a namespace that has fewer
// places, or, of those with as many, of who has waited for longer. A namespace
// with a hundred workloads must not keep one with a single one waiting.
func (q *Queue) isAhead(w *waiter) bool {
	free := q.options.MaxConcurrent - q.taken("")
	ahead := 0
	for _, other := range q.waiting {
		if other.UID == w.UID || other.reason != Turn {
			continue
		}
		order := cmp.Or(cmp.Compare(q.taken(other.Group.Namespace), q.taken(w.Group.Namespace)),
			other.since.Compare(w.since), cmp.Compare(other.UID, w.UID))
		if order < 0 && !q.blocked(other) {
			ahead++
		}
	}
	return ahead >= free
}

// blocked says that a workload waits for its group, not for a place.
func (q *Queue) blocked(w *waiter) bool {
	for _, r := range q.running {
		if r.Group == w.Group && r.UID != w.UID && (r.held || q.proven[w.Group].version != w.Version) {
			return true
		}
	}
	return false
}

// Due are the restarts under way that nobody looked at for a while, and not too
// many of them: each is a call of the API server.
func (q *Queue) Due() []Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.options.Now()
	all := q.sorted()
	slices.SortStableFunc(all, func(a, b *run) int { return a.looked.Compare(b.looked) })
	var due []Request
	for _, r := range all[:min(len(all), 2*q.options.MaxConcurrent)] {
		if now.Sub(r.looked) >= q.options.Poll/2 {
			r.looked = now
			due = append(due, r.Request)
		}
	}
	return due
}

// Observe records the state of a restarted workload.
func (q *Queue) Observe(uid types.UID, p Progress) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r, ok := q.running[uid]
	if !ok {
		return
	}
	now := q.options.Now()
	switch p {
	case Ready, Released:
		q.proven[r.Group] = proof{r.Version, now}
		delete(q.running, uid)
	case Gone, Idle:
		delete(q.running, uid)
	case Rolling:
		r.known = now
		r.held = now.Sub(r.since) >= q.options.ReadyTimeout
	case Unknown:
		r.held = now.Sub(r.since) >= q.options.ReadyTimeout
		if now.Sub(r.known) >= unreadable {
			delete(q.running, uid)
		}
	}
}

// Withdraw gives back the place of a restart that did not come about.
func (q *Queue) Withdraw(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, uid)
}

func (q *Queue) forgetOld(now time.Time) {
	for uid, w := range q.waiting {
		if now.Sub(w.asked) > max(left, longWait+left) || w.reason != Window && now.Sub(w.asked) > left {
			delete(q.waiting, uid)
		}
	}
	for group, p := range q.proven {
		if now.Sub(p.at) > provenFor {
			delete(q.proven, group)
		}
	}
}

func (q *Queue) tell() {
	counts := map[Reason]int{}
	for _, w := range q.waiting {
		counts[w.reason]++
	}
	q.options.Waiting(counts)
}
