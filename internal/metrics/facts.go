package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/envgraft/envgraft/internal/graft"
)

// Source is where a parameter's keys are read.
type Source string

// The sources.
const (
	SourceSSM       Source = "ssm"
	SourceSecret    Source = "secret"
	SourceDirectory Source = "directory"
	SourceNone      Source = "none"
)

// CacheOutcome says how the cache of parameters answered a lookup.
type CacheOutcome string

// The outcomes.
const (
	// CacheHit is an answer from memory that is fresh.
	CacheHit CacheOutcome = "hit"
	// CacheStale is an answer from memory that is past its time.
	CacheStale CacheOutcome = "stale"
	// CacheMiss is an answer that this lookup had to have fetched.
	CacheMiss CacheOutcome = "miss"
	// CacheWait is an answer that another lookup was having fetched already.
	CacheWait CacheOutcome = "wait"
)

// NamespaceLimit is a limit on what one namespace may have looked up.
type NamespaceLimit string

// The limits.
const (
	// NamespaceShare is a namespace's share of the budget of SSM calls.
	NamespaceShare NamespaceLimit = "share"
	// NamespaceParameters is how many parameters are looked up for it.
	NamespaceParameters NamespaceLimit = "parameters"
)

// Lookups counts and times lookups of parameters and ConfigMaps.
type Lookups struct {
	parameterLookups   *prometheus.CounterVec
	parameterCache     *prometheus.CounterVec
	ssmRequests        *prometheus.CounterVec
	ssmRequestDuration prometheus.Histogram
	ssmBudgetExhausted prometheus.Counter
	ssmVersionRequests *prometheus.CounterVec
	namespaceLimited   *prometheus.CounterVec
	configMapLookups   *prometheus.CounterVec
}

func (m *Lookups) register(factory promauto.Factory) {
	m.parameterLookups = factory.NewCounterVec(counter("parameter_lookups_total",
		"What lookups of a parameter's keys were told, by source (ssm, secret, directory, none) and state. "+
			"AccessDenied, Throttled and Unreachable mean that a pod was admitted without its literals being checked."),
		[]string{"source", "state"})
	m.parameterCache = factory.NewCounterVec(counter("parameter_cache_total",
		"How lookups of a parameter's keys were answered: hit (fresh, from memory), "+
			"stale (from memory while it refreshes, or because the source cannot be reached), "+
			"miss (fetched), wait (fetched by another lookup's call)."),
		[]string{"outcome"})
	m.ssmRequests = factory.NewCounterVec(counter("ssm_requests_total",
		"Calls of SSM GetParameter, by result, retries of the AWS SDK within a call not counted apart."),
		[]string{"result"})
	m.ssmRequestDuration = factory.NewHistogram(histogram("ssm_request_duration_seconds",
		"Seconds that calls of SSM GetParameter took, the wait for a place in the budget not included. "+
			"Admissions wait for facts.admissionTimeout at most, 0.3 by default.",
		latencyBuckets()))
	m.ssmBudgetExhausted = factory.NewCounter(counter("ssm_budget_exhausted_total",
		"Lookups that envgraft's own budget of SSM calls (facts.callsPerSecond, facts.burst) kept from a call in time. "+
			"Raise the budget where this grows and SSM itself does not throttle."))
	m.namespaceLimited = factory.NewCounterVec(counter("namespace_limited_total",
		"Lookups of parameters that a namespace's own limit kept from a call of SSM, by reason: "+
			"share (it used up its share of facts.burst and facts.callsPerSecond), "+
			"parameters (it had externalSecrets.maxPerNamespace looked up; the log names the namespace)."),
		[]string{"reason"})
	m.ssmVersionRequests = factory.NewCounterVec(counter("ssm_version_requests_total",
		"Calls of SSM GetParameters for the versions of up to ten parameters, by result; Found is an answer. Only the leader makes them."),
		[]string{"result"})
	m.configMapLookups = factory.NewCounterVec(counter("config_map_lookups_total",
		"What lookups of a ConfigMap's keys were told, by state. Unknown means that a pod was admitted without its literals being checked against it."),
		[]string{"state"})

	// For the alerts' sake, as in metrics.go.
	for _, outcome := range []CacheOutcome{CacheHit, CacheStale, CacheMiss, CacheWait} {
		m.parameterCache.WithLabelValues(string(outcome))
	}
	for _, fault := range []graft.ParameterState{
		graft.ParameterAccessDenied, graft.ParameterThrottled, graft.ParameterUnreachable,
	} {
		m.ssmRequests.WithLabelValues(string(fault))
		m.ssmVersionRequests.WithLabelValues(string(fault))
	}
	for _, limit := range []NamespaceLimit{NamespaceShare, NamespaceParameters} {
		m.namespaceLimited.WithLabelValues(string(limit))
	}
}

// ParameterLookup counts what one lookup of a parameter's keys was told.
func (m *Lookups) ParameterLookup(source Source, state graft.ParameterState) {
	m.parameterLookups.WithLabelValues(string(source), string(state)).Inc()
}

// ParameterCache counts how the cache answered one lookup.
func (m *Lookups) ParameterCache(outcome CacheOutcome) {
	m.parameterCache.WithLabelValues(string(outcome)).Inc()
}

// SSMRequest counts one call of SSM and the time that it took.
func (m *Lookups) SSMRequest(result graft.ParameterState, took time.Duration) {
	m.ssmRequests.WithLabelValues(string(result)).Inc()
	m.ssmRequestDuration.Observe(took.Seconds())
}

// SSMBudgetExhausted counts one lookup that got no call in time.
func (m *Lookups) SSMBudgetExhausted() { m.ssmBudgetExhausted.Inc() }

// NamespaceLimited counts one lookup that a namespace's own limit kept from a call.
func (m *Lookups) NamespaceLimited(limit NamespaceLimit) {
	m.namespaceLimited.WithLabelValues(string(limit)).Inc()
}

// SSMVersionRequest counts one call of SSM for versions.
func (m *Lookups) SSMVersionRequest(result graft.ParameterState) {
	m.ssmVersionRequests.WithLabelValues(string(result)).Inc()
}

// ConfigMapLookup counts what one lookup of a ConfigMap's keys was told.
func (m *Lookups) ConfigMapLookup(state graft.ConfigMapState) {
	m.configMapLookups.WithLabelValues(string(state)).Inc()
}
