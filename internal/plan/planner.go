package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// Decider computes opt-in, identity and settings from labels and annotations.
type Decider interface {
	Decide(ns identity.Namespace, pod identity.Pod) graft.Decision
	// Inspect reads a pod template and decides.
	Inspect(ns identity.Namespace, raw []byte) *graft.Subject
	// CheckTenancy says why a Namespace may not have a parameter of a store.
	CheckTenancy(ns identity.Namespace, parameter string, store graft.Store) error
}

// Rules are what plans go by.
type Rules struct {
	Decider  Decider
	Settings externalsecret.Settings
	// NoRestarts leaves restarts to people: they get an Event.
	NoRestarts bool
	// Repair restarts workloads whose pods are stale.
	Repair bool
	// MinRestartInterval is the shortest time between two restarts of a workload.
	MinRestartInterval time.Duration
	// KeepUnused is how long an ExternalSecret stays that only Jobs or standalone pods used.
	KeepUnused time.Duration
}

// planner makes one plan.
type planner struct {
	Rules
	*Snapshot

	plan Plan
	// step is the one that is being decided.
	step *Step
	// decisions are those about workloads: several rules ask.
	decisions map[*inventory.Workload]graft.Decision
	// restarted are the workloads of which a restart is planned: one is enough.
	restarted []types.UID
}

// Make decides what is to be done for an app.
func (r Rules) Make(s *Snapshot) Plan {
	p := &planner{Rules: r, Snapshot: s, decisions: make(map[*inventory.Workload]graft.Decision, len(s.Workloads))}
	p.try("", "judge pods", nil, func() error { return judgePods(p) })
	p.try("", "compare ConfigMaps", nil, func() error { return compareConfigMaps(p) })
	claims, err := p.claims()
	if errors.Is(err, errAsked) {
		return p.plan
	}
	if err != nil {
		p.plan.Err = err
		return p.plan
	}
	claims = p.fillable(claims)
	p.try("", "revoke", nil, func() error { return p.revoke(claims) })
	if len(claims) == 0 {
		p.plan.Unused = true
		p.try("", "delete unused ExternalSecrets", nil, p.sweep)
		return p.plan
	}

	// Nearly always one; a name template with {environment} in it makes more.
	groups := make(map[string][]claim)
	for _, c := range claims {
		groups[c.Identity.ExternalSecret] = append(groups[c.Identity.ExternalSecret], c)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		p.try("", fmt.Sprintf("keep ExternalSecret %q", name), nil, func() error { return keeper{p, name}.keep(groups[name]) })
	}
	return p.plan
}

// The rule: each step of a reconciliation fails alone, is reported on the workloads
// that it was for, and is tried again by itself. A restart that a policy refuses
// must not keep an app from its ExternalSecret.

// try decides a step. One that failed is left alone until its time has come. It is
// false where an answer is missing: what depends on the step is not known then.
func (p *planner) try(reason, what string, about []workload.Ref, decide func() error) (decided bool) {
	step := &Step{Step: memory.Step{App: p.App, What: what, Reason: reason}, About: about}
	if rest := p.Memory.Failed(step.Step).Next.Sub(p.Now); rest > 0 {
		p.waitAtMost(rest)
		return true
	}
	outer := p.step
	p.step = step
	step.Err = decide()
	p.step = outer
	if errors.Is(step.Err, errAsked) {
		return false // the plan is not carried out
	}
	p.plan.Steps = append(p.plan.Steps, *step)
	return true
}

// do adds an action to the step that is being decided.
func (p *planner) do(a Action) { p.step.Actions = append(p.step.Actions, a) }

func (p *planner) question(q any) {
	if !slices.Contains(p.plan.Questions, q) {
		p.plan.Questions = append(p.plan.Questions, q)
	}
}

func (p *planner) say(w workload.Ref, e workloadevents.Event) {
	p.plan.Notices = append(p.plan.Notices, Notice{Workload: w, Event: e})
}

func (p *planner) over(w workload.Ref, reasons ...string) {
	p.plan.Notices = append(p.plan.Notices, Notice{Workload: w, Over: reasons})
}

func (p *planner) remember(m Memorize) { p.plan.Memories = append(p.plan.Memories, m) }

// waitAtMost has the app reconciled again after d, or before; 0 is never.
func (p *planner) waitAtMost(d time.Duration) {
	if d > 0 && (p.plan.Wait == 0 || d < p.plan.Wait) {
		p.plan.Wait = d
	}
}

// setState records the state of one of the app's ExternalSecrets, of which the metric
// shows the first that is not Ready.
func (p *planner) setState(state externalsecret.State) {
	if p.plan.State == "" || p.plan.State == externalsecret.StateReady {
		p.plan.State = state
	}
}

// dependOn has the app reconciled when an ExternalSecret or Secret changes.
func (p *planner) dependOn(names ...string) {
	for _, name := range names {
		if !slices.Contains(p.plan.Uses, name) {
			p.plan.Uses = append(p.plan.Uses, name)
		}
	}
}

// decide decides about the pods of a workload.
func (p *planner) decide(row *inventory.Workload) graft.Decision {
	d, known := p.decisions[row]
	if !known {
		d = p.Decider.Decide(*p.Namespace, row.Identity())
		p.decisions[row] = d
	}
	return d
}

// existing returns an ExternalSecret; nil where there is none.
func (p *planner) existing(name string) (*externalsecret.ExternalSecret, error) {
	if p.ESOVersion == "" {
		return nil, nil
	}
	return ask[*externalsecret.ExternalSecret](p, Existing{name})
}

// workloadsOf are the workloads of claims.
func workloadsOf(claims []claim) []workload.Ref {
	refs := make([]workload.Ref, len(claims))
	for n, c := range claims {
		refs[n] = c.Workload
	}
	return refs
}
