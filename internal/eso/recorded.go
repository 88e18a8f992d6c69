package eso

import (
	"context"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a parameter is asked for once, however many replicas there are. The
// leader asks for a workload's when the workload appears, which is before its
// first pod does; the others wait for what it records.

// LeadsElsewhere says that another replica leads. While nobody does, each
// replica asks for itself.
type LeadsElsewhere func() bool

// Follow has a replica that does not lead wait for what the leader records.
func (x *ExternalSecrets) Follow(elsewhere LeadsElsewhere) { x.elsewhere.Store(&elsewhere) }

// awaited has a question wait that the leader is about to answer for all. It
// records nothing of a Namespace in audit mode, nor of a source without versions.
func (x *ExternalSecrets) awaited(d graft.Decision, keys facts.Keys) facts.Keys {
	ask, asks := keys.(facts.Ask)
	elsewhere := x.elsewhere.Load()
	if !asks || !ask.Recorded || d.Status != graft.StatusInjected || elsewhere == nil || !(*elsewhere)() {
		return keys
	}
	return facts.Await(ask)
}

// Recorded is State once the leader has recorded the keys, or ctx is done.
func (x *ExternalSecrets) Recorded(ctx context.Context, namespace string, d graft.Decision) facts.State {
	for {
		state, awaits := x.recorded(ctx, namespace, d)
		if !awaits || ctx.Err() != nil {
			return state
		}
	}
}

// recorded is State, and whether it awaits a record still. It waits for one change.
func (x *ExternalSecrets) recorded(ctx context.Context, namespace string, d graft.Decision) (state facts.State, awaits bool) {
	changed, leave := x.waiters.next(namespace) // before the look, or a change between the two is missed
	defer leave()
	state = x.State(ctx, namespace, d)
	if _, awaits = state.Keys.(facts.Await); awaits {
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return state, awaits
}
