package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// The rule: revoked is revoked. An ExternalSecret that no workload asks for in
// its present form, and whose parameter its Namespace may no longer reach, is
// not refreshed any more, not even where its Secret is deleted. The Secret stays as
// it is, for the pods that run: they restart in place with what they had.

// revoke stops what the Namespace may no longer have.
func (p *planner) revoke(claims []claim) error {
	if p.Namespace == nil {
		return nil
	}
	for _, e := range p.OfApp {
		if !e.Applied.Any || e.DeletionTimestamp != nil ||
			slices.ContainsFunc(claims, func(c claim) bool { return c.Identity.ExternalSecret == e.Name }) {
			continue
		}
		cause := p.Decider.CheckTenancy(*p.Namespace, e.Parameter(), e.Store())
		if cause == nil {
			continue // nobody asks for it; its owners keep it
		}
		p.try(eventNotWritten, fmt.Sprintf("revoke ExternalSecret %q", e.Name), e.AppliedOwners(), func() error {
			return revokeOne(p, e, fmt.Sprintf("namespace %q may no longer have parameter %q: %s", p.Namespace.Name, e.Parameter(), cause))
		})
	}
	return nil
}

func revokeOne(p *planner, e *externalsecret.ExternalSecret, why string) error {
	interval, err := time.ParseDuration(e.Spec.RefreshInterval)
	if err != nil {
		interval = time.Hour // it does not matter any more
	}
	d := externalsecret.Desired{
		Namespace: e.Namespace, Name: e.Name, App: p.App.Name, Phase: externalsecret.PhaseRevoked, Revoked: why,
		Wants:  externalsecret.Wants{Parameter: e.Parameter(), Secret: e.SecretName(), RefreshInterval: interval, Store: e.Store()},
		Owners: e.AppliedOwners(),
	}
	var told []Notice
	for _, owner := range d.Owners {
		told = append(told, Notice{Workload: owner, Event: workloadevents.Warn(externalsecret.ReasonRevoked, "Revoke", fmt.Sprintf(
			"Secret %q is refreshed no more, and pods keep what it holds: %s", e.SecretName(), why))})
	}
	changes, err := p.apply(d, e, Apply{Done: told})
	if err == nil && !changes {
		p.plan.Notices = append(p.plan.Notices, told...)
	}
	return err
}
