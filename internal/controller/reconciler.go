package controller

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/plan"
)

// reconciler keeps one app at a time. It reads a snapshot, has a plan made of it,
// and has that carried out.
type reconciler struct {
	gatherer   *gatherer
	rules      plan.Rules
	actor      *actor
	dependents *dependents
}

// Reconcile implements reconcile.Reconciler. The request's name is an app's.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	app := request.NamespacedName
	i := r.gatherer.external.Installation()
	if i == nil {
		return reconcile.Result{}, nil // the first discovery has all apps reconciled
	}
	s, err := r.gatherer.snapshot(ctx, i, app)
	if err != nil {
		return reconcile.Result{}, err
	}
	p := r.plan(ctx, reading{r.gatherer, i, s})
	r.dependents.stale(app, p.Stale)
	wait := r.actor.carryOut(ctx, s, p)
	switch {
	case p.Unused:
		r.dependents.forget(app)
	case p.State != "": // else nothing is known
		r.dependents.record(app, p.State, p.Uses)
	}
	return reconcile.Result{RequeueAfter: wait}, p.Err
}

// plan has plans made until one has no question left. Each question is answered once,
// so that this ends.
func (r *reconciler) plan(ctx context.Context, reading reading) plan.Plan {
	for {
		p := r.rules.Make(reading.snapshot)
		if len(p.Questions) == 0 {
			return p
		}
		for _, question := range p.Questions {
			value, err := reading.answer(ctx, question)
			reading.snapshot.Answer(question, value, err)
		}
	}
}
