package facts

import (
	"k8s.io/utils/clock"

	"github.com/envgraft/envgraft/internal/fair"
)

// Budget bounds the calls of SSM a second, fairly: see fair.Budget.
type Budget struct{ shares *fair.Budget }

// NewBudget returns a full budget of calls per second.
func NewBudget(callsPerSecond float64, burst int) *Budget {
	return &Budget{fair.New(clock.RealClock{}, callsPerSecond, burst)}
}

// take takes a call for the namespace, or says why not.
func (b *Budget) take(namespace string) refusal {
	switch b.shares.Take(namespace) {
	case fair.Empty:
		return refusedBudget
	case fair.Share:
		return refusedShare
	case fair.Granted:
	}
	return inFlight
}
