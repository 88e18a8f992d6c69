package controller

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/workload"
)

// claims returns what an app's workloads ask for by their own templates, and
// what pods do that no workload stands above. No mark on a pod is trusted, nor
// the owner that it names: whoever may create pods can write both.
func (p *pass) claims(ctx context.Context, pods []*inventory.Pod) ([]claim, error) {
	r, rows := p.reconciler, p.inventory.Workloads(p.app)
	if len(rows)+len(pods) == 0 || p.ns == nil {
		return nil, nil
	}
	ns := *p.ns
	var claims []claim
	for _, row := range rows {
		if row.Deleting {
			continue
		}
		if c, ok := r.claim(ns, row.Ref, row.Identity(), row.Created()); ok {
			claims = append(claims, c)
		}
	}
	slices.SortFunc(claims, func(a, b claim) int { return workload.Compare(a.Workload, b.Workload) })
	claims, err := r.addUnowned(ctx, ns, claims, pods)
	if err != nil {
		return nil, err
	}
	if len(claims) == 0 {
		return nil, nil
	}
	for n := range claims {
		if len(pods) > 0 {
			claims[n].Newest = pods[0].Created()
		}
	}
	return claims, r.addAwaiting(ctx, claims, pods)
}

// claim is what a workload asks for by the labels and annotations of its pods.
func (r *reconciler) claim(ns identity.Namespace, w workload.Ref, pod identity.Pod, created time.Time) (claim, bool) {
	d := r.Decider.Decide(ns, pod)
	if d.Status != graft.StatusInjected || !d.Settings.Secrets {
		return claim{}, false
	}
	return claim{Workload: w, Created: created, Identity: d.Identity, Wants: externalsecret.WantsOf(d, r.Settings(d.Identity.ParameterEnvironment))}, true
}

// addUnowned adds the claims of pods that belong to no workload, one for each
// thing that they want. If a workload asks for the same ExternalSecret, that
// takes precedence, and the pods' owners are not worth a call.
func (r *reconciler) addUnowned(ctx context.Context, ns identity.Namespace, claims []claim, pods []*inventory.Pod) ([]claim, error) {
	owned := claims
	seen := make(map[types.UID]bool)
	for _, pod := range pods {
		if pod.Controller != nil && seen[pod.Controller.UID] {
			continue // made of the same template
		}
		if pod.Controller != nil {
			seen[pod.Controller.UID] = true
		}
		c, ok := r.claim(ns, pod.Ref(), pod.Identity(), pod.Created())
		if !ok || slices.ContainsFunc(claims, c.wantsTheSame) || pod.Controller != nil && slices.ContainsFunc(owned, c.shares) {
			continue
		}
		top, err := r.owners.Top(ctx, pod)
		if err != nil {
			return nil, err
		}
		if top == nil || top.OwnsExternalSecrets() {
			continue
		}
		c.Workload = *top
		claims = append(claims, c)
	}
	return claims, nil
}

// addAwaiting notes of each workload the newest pod that may have started
// before its Secret existed. Pods of a former revision are being replaced already.
func (r *reconciler) addAwaiting(ctx context.Context, claims []claim, pods []*inventory.Pod) error {
	if !slices.ContainsFunc(pods, r.mayAwait) {
		return nil
	}
	revisions := make(map[types.UID]string)
	for _, pod := range pods {
		top, err := r.owners.Top(ctx, pod)
		if err != nil {
			return err
		}
		if top == nil {
			continue
		}
		newest, known := revisions[top.UID]
		if !known {
			newest = pod.Revision
			revisions[top.UID] = newest
		}
		at := slices.IndexFunc(claims, func(c claim) bool { return c.Workload.UID == top.UID })
		if at >= 0 && claims[at].Awaiting == "" && pod.Awaits() && pod.Revision == newest {
			claims[at].Awaiting = pod.UID
		}
	}
	return nil
}

func (r *reconciler) mayAwait(pod *inventory.Pod) bool {
	_, settled := r.settled.Get(pod.UID)
	return pod.Awaits() && !settled
}

// ownersFor returns the workloads that are to own the ExternalSecret. An owner
// that is added to one that exists is read first: if it is gone and the others
// go, running pods would lose their Secret.
func (p *pass) ownersFor(ctx context.Context, existing *externalsecret.ExternalSecret, claims []claim) ([]workload.Ref, error) {
	var owners []workload.Ref
	for _, c := range claims {
		if !c.Workload.OwnsExternalSecrets() {
			continue
		}
		if existing != nil && !existing.HasOwner(c.Workload.UID) {
			alive, err := p.owners.Alive(ctx, c.Workload)
			if err != nil {
				return nil, err
			}
			if !alive {
				p.waitAtMost(ownerRetry)
				continue
			}
		}
		owners = append(owners, c.Workload)
	}
	if existing != nil {
		owners = append(owners, p.unheard(existing)...)
	}
	slices.SortFunc(owners, workload.Compare)
	return owners, nil
}

// unheard are owners of a kind that is not listed, as a Rollout's whose CRD
// is not served for a moment: what they want cannot be told, so they stay.
func (p *pass) unheard(existing *externalsecret.ExternalSecret) []workload.Ref {
	var owners []workload.Ref
	for _, ref := range existing.OwnerReferences {
		w := workload.FromOwner(p.app.Namespace, ref)
		if w.OwnsExternalSecrets() && slices.Contains(existing.Applied.Owners, ref.UID) && !p.inventory.Listed(w.GroupKind()) {
			owners = append(owners, w)
		}
	}
	return owners
}
