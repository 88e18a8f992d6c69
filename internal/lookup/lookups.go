// Package lookup asks for the keys and versions of parameters on the leader,
// without holding a worker of the controller: while SSM hangs, new ExternalSecrets
// go on being made. An app whose answer has come is reconciled again, and finds it.
package lookup

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/expiring"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/fair"
	"github.com/envgraft/envgraft/internal/graft"
)

const (
	// timeout bounds one lookup.
	timeout = 10 * time.Second
	// burst is how many lookups all namespaces together may start at once.
	burst = 40
	// maxUnderWay bounds the lookups that SSM does not answer. A namespace may have
	// no more of them than it leaves to the others.
	maxUnderWay = 64
	// patience is how long an ExternalSecret that is to be made waits for an answer.
	// The first pods come within that time, and replicas that do not lead know the
	// keys by nothing but the record.
	patience = time.Second
	// Retry is when to ask again after SSM, or a budget, gave no answer that counts.
	Retry = 30 * time.Second
	// maxRetry bounds Retry, which doubles while no answer counts.
	maxRetry = 10 * time.Minute
	// remembered bounds the parameters that are known of, and TTL for how long.
	remembered = 65536
	// TTL is how long an answer is remembered.
	TTL = 24 * time.Hour
)

// Parameters looks parameters up. It is expected to keep to a budget of its own.
type Parameters interface {
	Parameter(ctx context.Context, q facts.Question) facts.Parameter
}

// Lookups has parameters looked up, and remembers the answers. It is safe for
// concurrent use.
type Lookups struct {
	parameters Parameters
	clock      clock.PassiveClock
	budget     *fair.Budget
	// again has an app reconciled.
	again func(app client.ObjectKey)

	mu       sync.Mutex
	underWay map[Subject]time.Time // since when
	answers  *expiring.Cache[Subject, answer]
	// failed are those whose last lookup had no answer that counts.
	failed *expiring.Cache[Subject, failure]
	// newer are versions that were seen and that no record is of.
	newer *expiring.Cache[Subject, version]
}

// Subject is whose parameter is looked up: an app may have several, by a name
// template with {environment} in it.
type Subject struct {
	App       client.ObjectKey
	Parameter string
	Store     graft.Store
}

// SubjectOf is the parameter that an app wants.
func SubjectOf(app client.ObjectKey, w externalsecret.Wants) Subject {
	return Subject{App: app, Parameter: w.Parameter, Store: w.Store}
}

// version is one that was seen, and when.
type version struct {
	at   externalsecret.Version
	seen time.Time
}

// answer is what a parameter was when it was last looked up, for q at a time.
type answer struct {
	question  facts.Question
	at        time.Time
	parameter facts.Parameter
}

// failure is a lookup without an answer that counts, and when it ended.
type failure struct {
	at    time.Time
	times int
}

// next is when the parameter is asked for again.
func (f failure) next() time.Time { return f.at.Add(min(Retry<<min(f.times-1, 10), maxRetry)) }

// New returns Lookups that starts perSecond of them at most.
func New(parameters Parameters, c clock.PassiveClock, perSecond float64, again func(client.ObjectKey)) *Lookups {
	return &Lookups{
		parameters: parameters, clock: c, budget: fair.New(c, perSecond, burst), again: again,
		underWay: make(map[Subject]time.Time), answers: expiring.New[Subject, answer](c, remembered, TTL),
		failed: expiring.New[Subject, failure](c, remembered, 2*maxRetry), newer: expiring.New[Subject, version](c, remembered, TTL),
	}
}

// Last is what an app's parameter was when it was last looked up, and the question
// that this answers; false where it was not.
func (l *Lookups) Last(s Subject) (facts.Parameter, facts.Question, bool) {
	a, ok := l.answers.Get(s)
	return a.parameter, a.question, ok
}

// Ask returns the answer to a question where it has come. Where it has not,
// it is asked, within the budget, and wait says when to come again at the latest.
func (l *Lookups) Ask(s Subject, q facts.Question) (p facts.Parameter, ok bool, wait time.Duration) {
	if a, found := l.answers.Get(s); found {
		// One that was missing may have come since, which keys do not.
		if !a.question.FreshAfter.Before(q.FreshAfter) || a.parameter.Known() && !a.at.Before(q.FreshAfter) {
			return a.parameter, true, 0
		}
	}
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, failed := l.failed.Get(s); failed {
		if rest := f.next().Sub(now); rest > 0 {
			return facts.Parameter{}, false, rest
		}
		if !f.at.Before(q.FreshAfter) { // that one's answer may be in a cache, and did not count
			q.FreshAfter = f.at.Add(time.Nanosecond)
		}
	}
	if _, asked := l.underWay[s]; asked || l.full(s.App.Namespace) || l.budget.Take(s.App.Namespace) != fair.Granted {
		return facts.Parameter{}, false, Retry
	}
	l.underWay[s] = now
	go l.look(s, q)
	return facts.Parameter{}, false, Retry
}

// full says that a namespace has as many lookups under way as it leaves to the others.
func (l *Lookups) full(namespace string) bool {
	own := 0
	for s := range l.underWay {
		if s.App.Namespace == namespace {
			own++
		}
	}
	return own >= maxUnderWay-len(l.underWay)
}

// Soon is how long an answer that is under way is worth waiting for; 0 where
// none is, or SSM does not answer: each refusal is followed by another lookup.
func (l *Lookups) Soon(s Subject) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, asked := l.underWay[s]
	if _, failed := l.failed.Get(s); !asked || failed {
		return 0
	}
	return max(0, patience-l.clock.Since(since))
}

// Outdated has an app's parameter looked up, of which there is a newer version.
func (l *Lookups) Outdated(s Subject, at externalsecret.Version) {
	if known, ok := l.newer.Get(s); !ok || at.After(known.at) {
		l.newer.Add(s, version{at: at, seen: l.clock.Now()})
		l.failed.Remove(s) // this is another question
	}
	l.again(s.App)
}

// Gone forgets a newer version: SSM has the parameter no more.
func (l *Lookups) Gone(s Subject) { l.newer.Remove(s) }

// Newest is when the newest version was seen that is known of, from which an
// answer must be; zero where none was.
func (l *Lookups) Newest(s Subject) time.Time {
	known, _ := l.newer.Get(s)
	return known.seen
}

// Recorded forgets what a record says as well: the answers of 20,000 apps, that
// nobody asks for any more, are a seventh of the heap.
func (l *Lookups) Recorded(s Subject, at externalsecret.Version) {
	if known, ok := l.newer.Get(s); ok && known.at.After(at) {
		return
	}
	l.newer.Remove(s)
	l.answers.Remove(s)
}

// look makes a call. What does not count is not remembered as the answer: it is
// asked for again.
func (l *Lookups) look(s Subject, q facts.Question) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	now := l.clock.Now()
	p := l.parameters.Parameter(ctx, q)
	counts := l.counts(s, p)
	if counts {
		l.answers.Add(s, answer{question: q, at: now, parameter: p})
		l.failed.Remove(s)
	} else {
		last, _ := l.failed.Get(s)
		l.failed.Add(s, failure{at: l.clock.Now(), times: last.times + 1})
	}
	l.mu.Lock()
	delete(l.underWay, s)
	l.mu.Unlock()
	if counts {
		l.again(s.App)
	}
}

// counts says that an answer is one to go by. SSM, or a role that is changed this
// moment, may answer a version check with a new version and a lookup with an older
// one, or not at all: such an answer would keep the new version away.
func (l *Lookups) counts(s Subject, p facts.Parameter) bool {
	if p.State == graft.ParameterThrottled || p.State == graft.ParameterUnreachable {
		return false
	}
	known, ok := l.newer.Get(s)
	if !ok {
		return true
	}
	switch p.State {
	case graft.ParameterNotObject, graft.ParameterInvalidJSON:
		return true // that is what the new version is
	default:
		return p.Known() && !known.at.After(externalsecret.Version{Number: p.Version, Modified: p.Modified})
	}
}
