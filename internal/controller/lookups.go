package controller

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

const (
	// lookupTimeout bounds one lookup.
	lookupTimeout = 10 * time.Second
	// lookupsUnderWay bounds those that SSM does not answer.
	lookupsUnderWay = 64
	// lookupPatience is how long an ExternalSecret that is to be made waits for
	// one. The first pods come within that time, and replicas that do not lead know
	// the keys by nothing but the record.
	lookupPatience = time.Second
)

// lookups ask for parameters without holding a worker: while SSM hangs, new
// ExternalSecrets go on being made. An app whose answer has come is
// reconciled again, and finds it.
type lookups struct {
	parameters Parameters
	budget     *rate.Limiter
	// again has an app reconciled.
	again func(app client.ObjectKey)

	mu       sync.Mutex
	underWay map[subject]time.Time // since when
	answers  *utilcache.LRUExpireCache
	// unanswered are those whose last lookup had no answer.
	unanswered *utilcache.LRUExpireCache
	// newer are versions that were seen and that no record is of.
	newer *utilcache.LRUExpireCache
}

// subject is whose parameter is looked up: an app may have several, by a name
// template with {environment} in it.
type subject struct {
	app       client.ObjectKey
	parameter string
	store     graft.Store
}

func subjectOf(app client.ObjectKey, w eso.Wants) subject {
	return subject{app: app, parameter: w.Parameter, store: w.Store}
}

// version is one that was seen, and when.
type version struct {
	at   externalsecret.Version
	seen time.Time
}

// answer is what a parameter was when it was last looked up.
type answer struct {
	// freshAfter is what the question was for, and at when it was asked.
	freshAfter, at time.Time
	parameter      facts.Parameter
	// origin and recorded are the question's.
	origin   string
	recorded bool
}

func newLookups(parameters Parameters, budget *rate.Limiter, again func(client.ObjectKey)) *lookups {
	return &lookups{
		parameters: parameters, budget: budget, again: again,
		underWay: make(map[subject]time.Time), answers: utilcache.NewLRUExpireCache(remembered),
		unanswered: utilcache.NewLRUExpireCache(remembered), newer: utilcache.NewLRUExpireCache(remembered),
	}
}

// last is what an app's parameter was when it was last looked up; nil where that
// is not to be recorded.
func (l *lookups) last(app client.ObjectKey, w eso.Wants) *eso.Record {
	value, ok := l.answers.Get(subjectOf(app, w))
	if !ok {
		return nil
	}
	a := value.(answer) //nolint:forcetypeassert // nothing else is put there
	return eso.NewRecord(w, a.parameter, facts.Question{Origin: a.origin, Recorded: a.recorded})
}

// ask returns the answer to a question where it has come. Where it has not,
// it is asked, within the budget, and wait says when to come again at the latest.
func (l *lookups) ask(app client.ObjectKey, w eso.Wants, q facts.Question) (p facts.Parameter, ok bool, wait time.Duration) {
	about := subjectOf(app, w)
	if value, found := l.answers.Get(about); found {
		a := value.(answer) //nolint:forcetypeassert // nothing else is put there
		// One that was missing may have come since, which keys do not.
		if !a.freshAfter.Before(q.FreshAfter) || a.parameter.Known() && !a.at.Before(q.FreshAfter) {
			return a.parameter, true, 0
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, asked := l.underWay[about]; asked || len(l.underWay) >= lookupsUnderWay || !l.budget.Allow() {
		return facts.Parameter{}, false, lookupRetry
	}
	l.underWay[about] = time.Now()
	go l.look(about, q)
	return facts.Parameter{}, false, lookupRetry
}

// soon is how long an answer that is under way is worth waiting for; 0 where
// none is, or SSM does not answer: each refusal is followed by another lookup.
func (l *lookups) soon(app client.ObjectKey, w eso.Wants) time.Duration {
	about := subjectOf(app, w)
	l.mu.Lock()
	defer l.mu.Unlock()
	since, asked := l.underWay[about]
	if _, refused := l.unanswered.Get(about); !asked || refused {
		return 0
	}
	return max(0, lookupPatience-time.Since(since))
}

// outdated has an app's parameter looked up, of which there is a newer version.
func (l *lookups) outdated(app client.ObjectKey, w eso.Wants, at externalsecret.Version) {
	about := subjectOf(app, w)
	if known, ok := l.newer.Get(about); !ok || at.After(known.(version).at) { //nolint:forcetypeassert // nothing else is put there
		l.newer.Add(about, version{at: at, seen: time.Now()}, checkedTTL)
	}
	l.again(app)
}

// newest is when the newest version was seen that is known of, from which an
// answer must be; zero where none was.
func (l *lookups) newest(app client.ObjectKey, w eso.Wants) time.Time {
	if known, ok := l.newer.Get(subjectOf(app, w)); ok {
		return known.(version).seen //nolint:forcetypeassert // nothing else is put there
	}
	return time.Time{}
}

// recorded forgets what a record says as well: the answers of 20,000 apps, that
// nobody asks for any more, are a seventh of the heap.
func (l *lookups) recorded(app client.ObjectKey, w eso.Wants, at externalsecret.Version) {
	about := subjectOf(app, w)
	if known, ok := l.newer.Get(about); ok && known.(version).at.After(at) { //nolint:forcetypeassert // nothing else is put there
		return
	}
	l.newer.Remove(about)
	l.answers.Remove(about)
}

// look makes a call. No answer is not remembered: it is asked for again.
func (l *lookups) look(about subject, q facts.Question) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	now := time.Now()
	p := l.parameters.Parameter(ctx, q)
	answered := p.State != graft.ParameterThrottled && p.State != graft.ParameterUnreachable
	if answered {
		l.answers.Add(about, answer{freshAfter: q.FreshAfter, at: now, parameter: p, origin: q.Origin, recorded: q.Recorded}, checkedTTL)
		l.unanswered.Remove(about)
	} else {
		l.unanswered.Add(about, struct{}{}, lookupPatience+lookupRetry)
	}
	l.mu.Lock()
	delete(l.underWay, about)
	l.mu.Unlock()
	if answered {
		l.again(about.app)
	}
}
