package facts

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// CacheOptions tune a Cache. Zero values mean the defaults, which are those of
// the configuration file.
type CacheOptions struct {
	// TTL is how long found keys are fresh. Default 60 s.
	TTL time.Duration
	// NegativeTTL is how long all else is: an absence, a placeholder, a fault.
	// Default 10 s.
	NegativeTTL time.Duration
	// Budget bounds the calls to the source; nil leaves them unbounded.
	Budget *rate.Limiter
	// FetchTimeout bounds one call, and the wait for its place in the budget.
	// Default 5 s. It is longer than any admission waits: what comes later
	// serves the next one.
	FetchTimeout time.Duration
	// Size bounds the number of parameters that are remembered. Default
	// 50,000, each about 1 KiB.
	Size int
}

func (o CacheOptions) withDefaults() CacheOptions {
	for _, d := range []struct {
		option *time.Duration
		value  time.Duration
	}{
		{&o.TTL, time.Minute}, {&o.NegativeTTL, 10 * time.Second}, {&o.FetchTimeout, 5 * time.Second},
	} {
		if *d.option == 0 {
			*d.option = d.value
		}
	}
	if o.Size == 0 {
		o.Size = 50_000
	}
	return o
}

// keptTTLs is for how many TTLs keys are served that could not be refreshed:
// an outage of SSM that is shorter does not show. After it they are unknown,
// which is a warning, while keys from long ago could bind a literal to a key
// that is gone and keep the container from starting.
const keptTTLs = 10

// NewBudget returns a budget of calls per second for a Cache and its client.
func NewBudget(callsPerSecond float64, burst int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(callsPerSecond), burst)
}

// Cache asks a source as rarely as it can:
//
//   - Found keys are fresh for TTL. After it they are served at once, for up to
//     ten TTLs, while one call refreshes them.
//   - An empty object is fresh for NegativeTTL. After it lookups wait for a new
//     answer, and get the old one where none comes.
//   - What is not found or no object is fresh for NegativeTTL and then
//     forgotten: it may have a pod denied, which wants proof.
//   - A fault is remembered for NegativeTTL, and never replaces keys.
type Cache struct {
	source  Source
	metrics *metrics.Metrics
	memory  memory[Key, Parameter]
}

// NewCache returns an empty cache of the source.
func NewCache(source Source, m *metrics.Metrics, options CacheOptions) *Cache {
	options = options.withDefaults()
	c := &Cache{source: source, metrics: m}
	c.memory = memory[Key, Parameter]{
		fetch: func(ctx context.Context, key Key, now time.Time) Parameter {
			p := source.Read(ctx, key)
			p.Fetched = now
			return p
		},
		timeout: options.FetchTimeout,
		life:    options.life,
		late:    c.late,
		budget:  options.Budget,
		size:    options.Size,
		idle:    keptTTLs * options.TTL,
	}
	return c
}

// life is the table in the comment of Cache.
func (o CacheOptions) life(p Parameter) shelfLife {
	switch p.State {
	case graft.ParameterFound:
		return shelfLife{fresh: o.TTL, kept: keptTTLs * o.TTL, early: true}
	case graft.ParameterEmpty:
		return shelfLife{fresh: o.NegativeTTL, kept: keptTTLs * o.TTL}
	case graft.ParameterNotFound, graft.ParameterNotObject, graft.ParameterInvalidJSON:
		return shelfLife{fresh: o.NegativeTTL}
	case graft.ParameterAccessDenied, graft.ParameterThrottled, graft.ParameterUnreachable, graft.ParameterUnchecked:
	}
	return shelfLife{fresh: o.NegativeTTL, fault: true}
}

// late answers those who cannot wait for the source.
func (c *Cache) late(_ Key, begun bool) Parameter {
	if begun {
		return Parameter{Parameter: without(graft.ParameterUnreachable,
			"no answer within this admission's time; it is kept for the next one")}
	}
	c.metrics.SSMBudgetExhausted()
	return Parameter{Parameter: without(graft.ParameterThrottled,
		"envgraft's own budget of SSM calls is used up for now: see facts.callsPerSecond")}
}

// Parameter returns what is known of a parameter, waiting for it until ctx is
// done at most. An answer from before q.FreshAfter counts as expired, and is
// not served stale either.
//
// Callers share Keys and must not change them.
func (c *Cache) Parameter(ctx context.Context, q Question) Parameter {
	p, outcome := c.memory.get(ctx, c.source.Key(q), q.FreshAfter)
	c.metrics.ParameterCache(outcome)
	c.metrics.ParameterLookup(c.source.Name(), p.State)
	return p
}
