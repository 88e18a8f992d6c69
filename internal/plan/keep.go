package plan

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// eventNotWritten is the reason of Events about writes that failed. Restarts that
// fail are reported by those that ask for them.
const eventNotWritten = "ExternalSecretNotWritten"

// eventConflict is the reason of the Events about conflicts.
const eventConflict = "ExternalSecretConflict"

// keeper keeps the ExternalSecret of a name.
type keeper struct {
	*planner

	name string
}

// keep decides about the ExternalSecret, and those of others that the workloads use
// in its place.
func (k keeper) keep(claims []claim) error {
	existing, err := k.existing(k.name)
	if err != nil {
		return err
	}
	var own []claim
	for _, c := range claims {
		foreign, err := k.foreign(existing, c)
		if err != nil {
			return err
		}
		if foreign == nil {
			own = append(own, c)
			continue
		}
		k.dependOn(k.name, c.Wants.Secret)
		if err := k.observe(foreign, []claim{c}, false); err != nil {
			return err
		}
	}
	if len(own) == 0 {
		return nil
	}
	return k.keepOurs(existing, own)
}

// foreign returns the ExternalSecret of somebody else that a workload is to
// use: one that fills its Secret already, for two would fight over it, or one
// that has the name of ours. nil means that ours is wanted.
func (k keeper) foreign(existing *externalsecret.ExternalSecret, c claim) (*externalsecret.ExternalSecret, error) {
	if k.ESOVersion == "" {
		return nil, nil
	}
	ours := existing != nil && existing.Ours(k.App.Name)
	if existing != nil && existing.SecretName() == c.Wants.Secret {
		if ours {
			return nil, nil
		}
		return existing, nil
	}
	other, err := ask[*externalsecret.ExternalSecret](k.planner, Filling{Secret: c.Wants.Secret, Except: c.Identity.ExternalSecret})
	if err != nil || other != nil {
		return other, err
	}
	if existing != nil && !ours {
		return existing, nil
	}
	return nil, nil
}

// keepOurs keeps our ExternalSecret for the workloads that are to have it.
func (k keeper) keepOurs(existing *externalsecret.ExternalSecret, claims []claim) error {
	winner := k.settleConflict(claims)
	about := workloadsOf(claims)
	k.try(eventNotWritten, fmt.Sprintf("mark ExternalSecret %q as in use", k.name), about, func() error {
		k.markInUse(existing)
		return nil
	})
	var pending bool
	what := fmt.Sprintf("write ExternalSecret %q", k.name)
	decided := k.try(eventNotWritten, what, about, func() (err error) {
		pending, err = k.write(existing, winner, claims)
		return err
	})
	if !decided {
		return errAsked
	}
	failed := k.Memory.Failed(memory.Step{App: k.App, What: what, Reason: eventNotWritten}).Times > 0
	if pending && !failed { // what is known of it is history; where the write is refused, all else goes on
		k.setState(externalsecret.StatePending)
		return nil
	}
	for n, c := range claims {
		// Ours names its app. Changes of any other are noticed by its name or Secret.
		if existing == nil || existing.App != k.App.Name || existing.SecretName() != c.Wants.Secret {
			k.dependOn(k.name, c.Wants.Secret)
		}
		claims[n].Identity, claims[n].Wants = winner.Identity, winner.Wants
	}
	return k.observe(existing, claims, true)
}

// write has the ExternalSecret made, or changed, where that can be done now and has
// to be. It says where another reconciliation is to come of itself.
func (k keeper) write(existing *externalsecret.ExternalSecret, winner claim, claims []claim) (pending bool, err error) {
	if k.ESOVersion == "" || existing == nil && k.isNew() || existing != nil && existing.DeletionTimestamp != nil {
		return false, nil
	}
	owners, err := k.owners(existing, claims)
	if err != nil {
		return false, err
	}
	if len(owners) == 0 && slices.ContainsFunc(claims, func(c claim) bool { return c.Workload.OwnsExternalSecrets() }) {
		return false, nil // they are being deleted
	}
	if existing == nil {
		quota, err := ask[string](k.planner, Quota{})
		if err != nil {
			return false, err
		}
		if quota != "" {
			k.refuseMore(claims, quota)
			return false, nil
		}
	}
	found, err := k.lookUpUnrecorded(existing, winner.Wants)
	if err != nil {
		return false, err
	}
	if existing == nil && found.Soon > 0 {
		k.waitAtMost(found.Soon) // its answer brings us back, and is recorded with the first write
		return true, nil
	}
	changes := existing != nil && winner.Wants != existing.MadeBy(winner.Wants)
	if changes {
		if rest := k.Memory.UntilChange(types.NamespacedName{Namespace: k.App.Namespace, Name: k.name}); rest > 0 {
			k.waitAtMost(rest)
			return false, nil
		}
	}
	record, err := k.record(existing, winner.Wants)
	if err != nil {
		return false, err
	}
	return k.apply(externalsecret.Desired{
		Namespace: k.App.Namespace, Name: k.name, App: k.App.Name, Phase: existing.NextPhase(winner.Wants.Secret),
		Wants: winner.Wants, Owners: owners, Record: record, Removed: existing.NextRemoved(winner.Wants.Secret, k.Now),
	}, existing, Apply{Changes: changes})
}

// settleConflict returns the claim by which the ExternalSecret is made, and reports
// a conflict on both sides.
func (k keeper) settleConflict(claims []claim) claim {
	winner, conflicts := winnerOf(claims)
	if !inConflict(claims) {
		for _, c := range claims {
			k.over(c.Workload, eventConflict)
		}
		return winner
	}
	for n, c := range conflicts {
		if n == 0 { // one is enough to know of, and a second would replace it
			k.say(c.Winner, workloadevents.Warn(eventConflict, "Apply", c.Message))
		}
		k.say(c.Loser, workloadevents.Warn(eventConflict, "Apply", c.Message))
	}
	return winner
}

// observe reports the state of an ExternalSecret and follows its parameter.
func (k keeper) observe(e *externalsecret.ExternalSecret, claims []claim, ours bool) error {
	h, err := k.health(e, claims[0])
	if err != nil {
		return err
	}
	k.report(h, claims, ours)
	k.waitAtMost(h.Recheck)
	if e == nil || h.State != externalsecret.StateReady {
		return nil
	}
	return follower{k, e, claims, ours}.follow()
}

func (k keeper) health(e *externalsecret.ExternalSecret, c claim) (externalsecret.Health, error) {
	store := externalsecret.StoreRef{Kind: c.Wants.Store.Kind, Name: c.Wants.Store.Name}
	lacks := false
	if k.ESOVersion != "" {
		ref := store
		if e != nil {
			ref = e.Spec.SecretStoreRef
		}
		var err error
		if lacks, err = ask[bool](k.planner, StoreMissing{ref}); err != nil {
			return externalsecret.Health{}, err
		}
	}
	return externalsecret.Surroundings{
		Installed: k.ESOVersion != "", Store: store, Lacks: func(externalsecret.StoreRef) bool { return lacks },
	}.Examine(c.Identity, e, k.Now), nil
}

func (k keeper) report(h externalsecret.Health, claims []claim, ours bool) {
	reasons := externalsecret.Reasons()
	for _, c := range claims {
		k.over(c.Workload, slices.DeleteFunc(slices.Clone(reasons), func(reason string) bool { return reason == h.Reason })...)
		if h.Reason != "" {
			k.say(c.Workload, workloadevents.Warn(h.Reason, "Sync", h.Message))
		}
	}
	state := h.State
	if state == externalsecret.StateReady && !ours {
		state = externalsecret.StateForeign
	}
	k.setState(state)
}

// record is what the ExternalSecret is to say of the parameter.
func (k keeper) record(existing *externalsecret.ExternalSecret, w externalsecret.Wants) (*externalsecret.Record, error) {
	found, err := ask[*externalsecret.Record](k.planner, RecordOf{w})
	if err != nil {
		return nil, err
	}
	return existing.NextRecord(w, found, k.Now), nil
}

// lookUpUnrecorded has the keys looked up of an ExternalSecret that does not record
// them, or records those of an older version, so that admissions need not.
func (k keeper) lookUpUnrecorded(existing *externalsecret.ExternalSecret, w externalsecret.Wants) (Found, error) {
	known, err := ask[Lookup](k.planner, LookupOf{w})
	if err != nil {
		return Found{}, err
	}
	if !known.Newest.IsZero() {
		return k.lookUp(w, known.Newest)
	}
	if freshAfter, unrecorded := existing.Unrecorded(w, known.Origin); unrecorded {
		return k.lookUp(w, freshAfter)
	}
	return Found{}, nil
}

// lookUp has a parameter looked up.
func (k keeper) lookUp(w externalsecret.Wants, freshAfter time.Time) (Found, error) {
	found, err := ask[Found](k.planner, ParameterOf{Wants: w, FreshAfter: freshAfter})
	k.waitAtMost(found.Wait)
	return found, err
}
