package facts

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	utilcache "k8s.io/apimachinery/pkg/util/cache"

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
	Budget *Budget
	// MaxPerNamespace bounds the parameters that one namespace has looked up
	// within ten TTLs. 0 leaves them unbounded.
	MaxPerNamespace int
	// FetchTimeout bounds one call. Default 5 s. It is longer than any admission
	// waits: what comes later serves the next one.
	FetchTimeout time.Duration
	// Size bounds the number of parameters that are remembered. Default
	// 50,000, each about 1 KiB.
	Size int
	// Log is told of namespaces that reach MaxPerNamespace.
	Log logr.Logger
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
	metrics Recorder
	memory  *memory[Key, Parameter]
	budget  *Budget
	options CacheOptions
	// told are the namespaces whose limit is in the log already.
	told *utilcache.LRUExpireCache
}

// toldMost bounds the namespaces that are remembered as told of.
const toldMost = 1024

// NewCache returns an empty cache of the source.
func NewCache(source Source, m Recorder, options CacheOptions) *Cache {
	options = options.withDefaults()
	c := &Cache{source: source, metrics: m, budget: options.Budget, options: options, told: utilcache.NewLRUExpireCache(toldMost)}
	c.memory = &memory[Key, Parameter]{
		fetch: func(ctx context.Context, key Key, now time.Time) Parameter {
			p := source.Read(ctx, key)
			p.Fetched = now
			return p
		},
		timeout: options.FetchTimeout,
		life:    options.life,
		late:    c.late,
		size:    options.Size,
		share:   options.MaxPerNamespace,
		idle:    keptTTLs * options.TTL,
	}
	return c
}

// By returns the cache for callers with a budget of their own. What one of them
// had fetched, all have.
func (c *Cache) By(budget *Budget) *Cache {
	other := *c
	other.budget = budget
	return &other
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

// late answers those who get no answer of the source in time.
func (c *Cache) late(who asker, why refusal) Parameter {
	switch why {
	case refusedBudget:
		c.metrics.SSMBudgetExhausted()
		return Parameter{Parameter: without(graft.ParameterThrottled,
			"envgraft's own budget of SSM calls is used up for now: see facts.callsPerSecond")}
	case refusedShare:
		c.metrics.NamespaceLimited(metrics.NamespaceShare)
		return Parameter{Parameter: without(graft.ParameterThrottled, fmt.Sprintf(
			"namespace %q has used up its share of envgraft's budget of SSM calls for now: see facts.burst", who.namespace))}
	case refusedRoom:
		return Parameter{Parameter: c.noRoom(who.namespace)}
	case inFlight:
	}
	return Parameter{Parameter: without(graft.ParameterUnreachable,
		"no answer within this admission's time; it is kept for the next one")}
}

// noRoom is for a namespace that asks for more parameters than it may have
// ExternalSecrets.
func (c *Cache) noRoom(namespace string) graft.Parameter {
	c.metrics.NamespaceLimited(metrics.NamespaceParameters)
	if _, told := c.told.Get(namespace); !told {
		c.told.Add(namespace, true, keptTTLs*c.options.TTL)
		c.options.Log.Info("Namespace reached its limit of parameters to look up", "namespace", namespace, "limit", c.options.MaxPerNamespace)
	}
	return without(graft.ParameterThrottled, fmt.Sprintf(
		"namespace %q had %d parameters looked up within %s, the most that one may: see externalSecrets.maxPerNamespace",
		namespace, c.options.MaxPerNamespace, keptTTLs*c.options.TTL))
}

// Parameter returns what is known of a parameter, waiting for it until ctx is
// done at most. An answer from before q.FreshAfter counts as expired, and is
// not served stale either.
//
// Callers share Keys and must not change them.
func (c *Cache) Parameter(ctx context.Context, q Question) Parameter {
	p, outcome := c.memory.get(ctx, asker{q.Namespace, c.budget}, c.source.Key(q), q.FreshAfter)
	c.metrics.ParameterCache(outcome)
	c.metrics.ParameterLookup(c.source.Name(), p.State)
	return p
}
