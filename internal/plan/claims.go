package plan

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/claims"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/workload"
)

type claim = claims.Claim

// claims returns what the app's workloads and standalone pods ask for.
func (p *planner) claims() ([]claim, error) {
	if len(p.Workloads)+len(p.Pods) == 0 || p.Namespace == nil {
		return nil, nil
	}
	return claims.Of(claims.App{ //nolint:wrapcheck // it is a question, or says what failed
		Workloads: p.Workloads, Pods: p.Pods, Settings: p.Settings,
		DecideWorkload: p.decide,
		DecidePod:      func(pod *inventory.Pod) graft.Decision { return p.Decider.Decide(*p.Namespace, pod.Identity()) },
		Top: func(pod *inventory.Pod) (*workload.Ref, error) {
			top, err := ask[Top](p, TopOf{pod})
			return top.Ref, err
		},
		Settled: func(pod types.UID) bool { return p.Memory.Settled(pod) },
	})
}

func inConflict(all []claim) bool { return claims.InConflict(all) }

// winnerOf is the claim by which an ExternalSecret is made.
func winnerOf(all []claim) (claim, []claims.Conflict) { return claims.Winner(all) }
