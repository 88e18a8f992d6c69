package plan

import (
	"slices"
	"time"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/workload"
)

// ownerRetry is when to look again at an owner that was being deleted.
const ownerRetry = 2 * time.Second

// owners returns the workloads that are to own the ExternalSecret. An owner
// that is added to one that exists is read first: if it is gone and the others
// go, running pods would lose their Secret.
func (k keeper) owners(existing *externalsecret.ExternalSecret, claims []claim) ([]workload.Ref, error) {
	var owners []workload.Ref
	for _, c := range claims {
		if !c.Workload.OwnsExternalSecrets() {
			continue
		}
		if existing != nil && !existing.HasOwner(c.Workload.UID) {
			alive, err := ask[bool](k.planner, IsAlive{c.Workload})
			if err != nil {
				return nil, err
			}
			if !alive {
				k.waitAtMost(ownerRetry)
				continue
			}
		}
		owners = append(owners, c.Workload)
	}
	if existing != nil {
		owners = append(owners, k.unlisted(existing)...)
	}
	slices.SortFunc(owners, workload.Compare)
	return owners, nil
}

// unlisted are owners of a kind that is not listed, as a Rollout's whose CRD
// is not served for a moment: what they want is not known, so they stay.
func (k keeper) unlisted(existing *externalsecret.ExternalSecret) []workload.Ref {
	var owners []workload.Ref
	for _, ref := range existing.OwnerReferences {
		w := workload.FromOwner(k.App.Namespace, ref)
		if w.OwnsExternalSecrets() && slices.Contains(existing.Applied.Owners, ref.UID) && !k.Listed[w.GroupKind()] {
			owners = append(owners, w)
		}
	}
	return owners
}
