// Package facts finds out what the engine must know of the world: the keys of
// SSM parameters and ConfigMaps, and the labels of Namespaces. Values are
// dropped in the function that parses them; no type here can hold one.
package facts

import (
	"context"
	"time"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Parameter is what is known of a parameter, and when that was.
type Parameter struct {
	graft.Parameter
	// Fetched is when the question was asked: changes after it may not be seen.
	Fetched time.Time
}

// Key names what a source reads.
type Key struct {
	// Namespace is empty for sources that the whole cluster shares.
	Namespace string
	Name      string
	// Access is zero for sources that have but one.
	Access Access
}

// Source reads parameters from where they are kept.
type Source interface {
	// Name is the source's label in metrics.
	Name() metrics.Source
	// Key says what the source reads for a question: apps of two namespaces may
	// share one parameter, and then one answer.
	Key(q Question) Key
	// Read asks now. Whatever goes wrong is a state with a cause.
	Read(ctx context.Context, key Key) Parameter
}

// Direct asks a source each time, for those that cost nothing to ask.
type Direct struct{ Source }

// Parameter reads the parameter now, so it is always fresh.
func (d Direct) Parameter(ctx context.Context, q Question) Parameter {
	now := time.Now()
	p := d.Read(ctx, d.Key(q))
	p.Fetched = now
	return p
}

// modified is SSM's time of a change. It tells milliseconds; what a decoder adds
// would make two answers of one version differ.
func modified(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.UTC().Round(time.Millisecond)
}

// without writes a Parameter that has no keys.
func without(state graft.ParameterState, cause string) graft.Parameter {
	return graft.Parameter{State: state, Cause: cause}
}
