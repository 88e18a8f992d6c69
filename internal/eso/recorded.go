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

// recorded returns what waits for the keys of an app, where another replica is
// about to record them.
func (x *ExternalSecrets) recorded(namespace string, d graft.Decision) func(context.Context) *facts.Parameter {
	if elsewhere := x.elsewhere.Load(); elsewhere == nil || !(*elsewhere)() {
		return nil
	}
	return func(ctx context.Context) *facts.Parameter {
		for {
			changed := x.news.next(namespace)
			if known := x.State(ctx, namespace, d).Known; known != nil {
				return known
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
