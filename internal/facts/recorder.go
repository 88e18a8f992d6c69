package facts

import (
	"time"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Recorder counts lookups: see the metrics of the same names.
type Recorder interface {
	ParameterLookup(source metrics.Source, state graft.ParameterState)
	ParameterCache(outcome metrics.CacheOutcome)
	SSMRequest(result graft.ParameterState, took time.Duration)
	SSMVersionRequest(result graft.ParameterState)
	SSMBudgetExhausted()
	NamespaceLimited(limit metrics.NamespaceLimit)
	ConfigMapLookup(state graft.ConfigMapState)
}
