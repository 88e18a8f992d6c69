package eso

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// StoreReader says how the parameters of a store are read.
type StoreReader interface {
	AccessTo(store graft.Store, provider facts.StoreProvider) facts.StoreAccess
	// Recorded says that the leader records what is read.
	Recorded() bool
}

// State says what is known of the ExternalSecret of a pod that is being admitted,
// from memory. A Namespace in audit mode is told the same as any other.
func (x *ExternalSecrets) State(ctx context.Context, namespace string, d graft.Decision) facts.State {
	if !d.Grafts() || !d.Settings.Secrets {
		return facts.State{Keys: facts.NotChecked{Cause: "the app has no parameter"}}
	}
	wants := externalsecret.WantsOf(d, x.settings(d.Identity.ParameterEnvironment))
	q := question(wants, namespace, time.Time{})
	q.Recorded = x.stores.Recorded()
	i := x.current.Load()
	if i == nil {
		return facts.State{Keys: x.awaited(d, facts.Ask{Question: q})}
	}
	e, err := i.find(ctx, namespace, d.Identity.ExternalSecret, wants.Secret)
	if err != nil {
		x.log.Error(err, "Cannot tell the state of an ExternalSecret", "namespace", namespace, "externalSecret", d.Identity.ExternalSecret)
		return facts.State{Keys: facts.Ask{Question: q}}
	}
	ref, now := externalsecret.StoreRef{Kind: wants.Store.Kind, Name: wants.Store.Name}, time.Now()
	quota := ""
	if i.Installed() && e == nil && !d.Identity.SecretReferenced {
		quota = x.quota(ctx, i, client.ObjectKey{Namespace: namespace, Name: d.Identity.App})
	}
	state := facts.State{
		Problem:       cmp.Or(i.Examine(ctx, namespace, d.Identity, ref, e, now).Message, quota),
		SecretMissing: i.Installed() && (e == nil || e.SecretName() != wants.Secret || !e.SecretExists() && !e.Occupied()),
		NeverSeen:     !d.Identity.SecretReferenced && i.Installed() && externalsecret.NeverSeen(e, d.Identity.App),
	}
	switch {
	case d.Identity.SecretReferenced && (e == nil || e.SecretName() != wants.Secret || e.Ours(d.Identity.App)):
		state.Keys = facts.NotChecked{Cause: fmt.Sprintf(
			"Secret %q is only referred to, and may hold other keys than parameter %q", wants.Secret, wants.Parameter)}
	case e == nil || e.SecretName() != wants.Secret:
		state.Keys = x.ask(ctx, i, ref, q)
		if i.Installed() && quota == "" && (e == nil || e.Ours(d.Identity.App)) { // the leader makes it so
			state.Keys = x.awaited(d, state.Keys)
		}
	case e.Ours(d.Identity.App):
		state.Keys = x.ours(ctx, i, e, wants, d, now)
	default:
		state.Keys = x.foreign(ctx, i, e, wants)
	}
	return state
}

// ask directs a question to the parameters of a store, where the namespace may
// have the parameter.
func (x *ExternalSecrets) ask(ctx context.Context, i *Installation, ref externalsecret.StoreRef, q facts.Question) facts.Keys {
	return x.permitted(ctx, i, ref, q, x.direct(ctx, i, ref, q))
}

// permitted returns the directed question, or why it must not be asked.
func (x *ExternalSecrets) permitted(ctx context.Context, i *Installation, ref externalsecret.StoreRef, q facts.Question, directed facts.Keys) facts.Keys {
	if _, asks := directed.(facts.Ask); !asks {
		return directed
	}
	s, _, _ := i.store(ctx, q.Namespace, ref)
	if why := x.permits.refusal(ctx, q, graft.Store{Kind: ref.KindOrDefault(), Name: ref.Name}, s); why != "" {
		return facts.NotChecked{Cause: why}
	}
	return directed
}

// direct directs a question to the parameters of a store.
func (x *ExternalSecrets) direct(ctx context.Context, i *Installation, ref externalsecret.StoreRef, q facts.Question) facts.Keys {
	q.Recorded = x.stores.Recorded()
	s, found, _ := i.store(ctx, q.Namespace, ref)
	if !found {
		return facts.Ask{Question: q} // its parameters are nobody's yet
	}
	access := x.stores.AccessTo(graft.Store{Kind: ref.KindOrDefault(), Name: ref.Name}, s.Provider)
	if access.Unchecked != "" {
		return facts.NotChecked{Cause: access.Unchecked}
	}
	return facts.Ask{Question: access.Question(q)}
}

// Ask is the question for what is wanted, or why nobody may be asked.
func (x *ExternalSecrets) Ask(
	ctx context.Context, i *Installation, w externalsecret.Wants, namespace string, freshAfter time.Time,
) (q facts.Question, unchecked string) {
	switch keys := x.ask(ctx, i, externalsecret.StoreRef{Kind: w.Store.Kind, Name: w.Store.Name}, question(w, namespace, freshAfter)).(type) {
	case facts.Ask:
		return keys.Question, ""
	case facts.NotChecked:
		return q, keys.Cause
	}
	return q, ""
}

// ours goes by the record. Where there is none, an answer must be younger than
// the Secret: a pod that Reloader made because of a refresh must not be grafted
// by older keys, some of which may be gone. Where the record says that there are no
// keys, each replica asks: that may have changed, and its cause is not recorded.
func (x *ExternalSecrets) ours(
	ctx context.Context, i *Installation, e *externalsecret.ExternalSecret, w externalsecret.Wants, d graft.Decision, now time.Time,
) facts.Keys {
	if e.Occupied() {
		return facts.NotChecked{Cause: fmt.Sprintf("Secret %q was not made from parameter %q", w.Secret, w.Parameter)}
	}
	q := question(w, e.Namespace, e.Refreshed())
	directed := x.direct(ctx, i, e.Spec.SecretStoreRef, q)
	ask, asks := directed.(facts.Ask)
	recorded := e.Record.Of(w) && (!asks || e.Record.From(ask.Origin))
	if recorded && e.Record.Known() && e.Settled(now) {
		return facts.Known{Parameter: e.Keys(now)}
	}
	keys := x.permitted(ctx, i, e.Spec.SecretStoreRef, q, directed)
	if recorded {
		return keys // the leader writes no second one that says the same
	}
	return x.awaited(d, keys)
}

// question asks for the keys of the parameter that is wanted.
func question(w externalsecret.Wants, namespace string, freshAfter time.Time) facts.Question {
	return facts.Question{Namespace: namespace, Parameter: w.Parameter, Secret: w.Secret, FreshAfter: freshAfter}
}

// NewRecord writes down an answer to a question; nil where it is none to record.
func NewRecord(w externalsecret.Wants, p facts.Parameter, q facts.Question) *externalsecret.Record {
	if !q.Recorded {
		return nil
	}
	return externalsecret.NewRecord(w, q.Origin, p.Parameter, p.Fetched)
}

// find returns the ExternalSecret that fills the Secret, whatever its name,
// else the one of that name; nil where there is neither.
func (i *Installation) find(ctx context.Context, namespace, name, secret string) (*externalsecret.ExternalSecret, error) {
	if !i.Installed() {
		return nil, nil
	}
	e, err := i.Get(ctx, namespace, name)
	if err != nil || e != nil && e.SecretName() == secret {
		return e, err
	}
	other, err := i.Filling(ctx, namespace, secret, name)
	if err != nil || other != nil {
		return other, err
	}
	return e, nil
}
