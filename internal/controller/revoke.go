package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// The rule: revoked is revoked. An ExternalSecret that no workload asks for in
// its present form, and whose parameter its Namespace may no longer reach, is
// not refreshed any more, not even where its Secret is deleted. The Secret stays as
// it is, for the pods that run: they restart in place with what they had.

// revoke stops what the Namespace may no longer have.
func (p *pass) revoke(ctx context.Context, claims []claim) error {
	made, err := p.installation.Made(ctx, p.app.Namespace, p.app.Name)
	if err != nil {
		return err
	}
	made = slices.DeleteFunc(made, func(e *externalsecret.ExternalSecret) bool {
		return slices.ContainsFunc(claims, func(c claim) bool { return c.Identity.ExternalSecret == e.Name })
	})
	if len(made) == 0 || p.ns == nil {
		return nil
	}
	for _, e := range made {
		cause := p.Decider.CheckReach(*p.ns, e.Parameter(), e.Store())
		if cause == nil {
			continue // nobody asks for it; its owners keep it
		}
		p.try(ctx, eventNotWritten, fmt.Sprintf("revoke ExternalSecret %q", e.Name), p.ownersOf(e), func() error {
			return p.revokeOne(ctx, e, fmt.Sprintf("namespace %q may no longer have parameter %q: %s", p.ns.Name, e.Parameter(), cause))
		})
	}
	return nil
}

func (p *pass) revokeOne(ctx context.Context, e *externalsecret.ExternalSecret, why string) error {
	interval, err := time.ParseDuration(e.Spec.RefreshInterval)
	if err != nil {
		interval = time.Hour // it does not matter any more
	}
	d := desired{
		Namespace: e.Namespace, Name: e.Name, App: p.app.Name, Phase: externalsecret.PhaseRevoked, Revoked: why,
		Wants:  externalsecret.Wants{Parameter: e.Parameter(), Secret: e.SecretName(), RefreshInterval: interval, Store: e.Store()},
		Owners: p.ownersOf(e),
	}
	if _, err := p.apply(ctx, d, e); err != nil {
		return err
	}
	for _, owner := range d.Owners {
		p.events.Say(owner, workloadevents.Warn(externalsecret.ReasonRevoked, "Revoke", fmt.Sprintf(
			"Secret %q is refreshed no more, and pods keep what it holds: %s", e.SecretName(), why)))
	}
	return nil
}

// ownersOf are the owners that envgraft gave to an ExternalSecret.
func (p *pass) ownersOf(e *externalsecret.ExternalSecret) []workload.Ref {
	var owners []workload.Ref
	for _, ref := range e.OwnerReferences {
		if slices.Contains(e.Applied.Owners, ref.UID) {
			owners = append(owners, workload.FromOwner(e.Namespace, ref))
		}
	}
	slices.SortFunc(owners, workload.Compare)
	return owners
}
