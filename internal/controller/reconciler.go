package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/fair"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// reconciler makes the ExternalSecret of one app at a time. What it remembers
// only saves calls: a restart loses it, and nothing but calls with it.
type reconciler struct {
	Dependencies
	options    Options
	external   *eso.ExternalSecrets
	dependents *dependents
	inventory  *inventory.Inventory
	client     client.Client // not cached
	owners     *inventory.Owners
	events     *workloadevents.Recorder
	clock      clock.PassiveClock

	// applied is the last apply of each ExternalSecret, and changes bounds how
	// often one is made to be of something else.
	applied, changes *utilcache.LRUExpireCache
	// checked is the newest pod for which an app's parameter was looked up.
	checked *utilcache.LRUExpireCache
	// settled are pods that waited for a Secret and need no more thought.
	settled *utilcache.LRUExpireCache
	// hiding is whether the templates of revisions hide keys.
	hiding *utilcache.LRUExpireCache
	// unused is since when ExternalSecrets were seen that nobody asks for, by UID.
	unused *utilcache.LRUExpireCache
	// failures are the steps that failed, by step.
	failures *utilcache.LRUExpireCache
	// configMaps is what was last read of each, within the budget of configMapReads.
	configMaps     *utilcache.LRUExpireCache
	configMapReads *fair.Budget
	lookups        *lookup.Lookups
	queue          *restarts.Queue
}

// Reconcile implements reconcile.Reconciler. The request's name is an app's.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	app := request.NamespacedName
	i := r.external.Current()
	if i == nil {
		return reconcile.Result{}, nil // the first discovery has all apps reconciled
	}
	p := &pass{reconciler: r, installation: i, app: app}
	// Once for all: two reads could have one pass decide by two states of it.
	ns, err := r.Namespaces.Namespace(ctx, app.Namespace)
	switch {
	case err == nil:
		p.ns = &ns
	case !apierrors.IsNotFound(err):
		return reconcile.Result{}, fmt.Errorf("cannot get namespace %q: %w", app.Namespace, err)
	}
	p.try(ctx, "", "judge pods", nil, func() error { return p.tellStale(ctx) })
	p.try(ctx, "", "see to ConfigMaps", nil, func() error { return p.seeToConfigMaps(ctx) })
	claims, err := p.claims(ctx, r.inventory.Pods(app))
	if err != nil {
		return reconcile.Result{}, err
	}
	claims = p.fillable(claims)
	p.try(ctx, "", "revoke", nil, func() error { return p.revoke(ctx, claims) })
	if len(claims) == 0 {
		r.dependents.forget(app)
		p.try(ctx, "", "see to unused ExternalSecrets", nil, func() error { return p.sweep(ctx) })
		return reconcile.Result{RequeueAfter: p.wait}, nil
	}

	// Nearly always one; a name template with {environment} in it makes more.
	groups := make(map[string][]claim)
	for _, c := range claims {
		groups[c.Identity.ExternalSecret] = append(groups[c.Identity.ExternalSecret], c)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		p.try(ctx, "", fmt.Sprintf("see to ExternalSecret %q", name), nil, func() error { return p.reconcile(ctx, name, groups[name]) })
	}
	if p.state != "" { // else nothing could be told
		r.dependents.record(app, p.state, p.uses)
	}
	return reconcile.Result{RequeueAfter: p.wait}, nil
}

// pass is one reconciliation of one app.
type pass struct {
	*reconciler
	installation *eso.Installation
	app          client.ObjectKey
	// ns is the Namespace; nil where it is gone.
	ns *identity.Namespace

	// What comes of it.
	state metrics.ExternalSecretState
	uses  []string
	wait  time.Duration
}

// reconcile handles one ExternalSecret, and those of others that the workloads use
// in its place.
func (p *pass) reconcile(ctx context.Context, name string, claims []claim) error {
	existing, err := p.existing(ctx, name)
	if err != nil {
		return err
	}
	var own []claim
	for _, c := range claims {
		foreign, err := p.foreign(ctx, existing, c)
		if err != nil {
			return err
		}
		if foreign == nil {
			own = append(own, c)
			continue
		}
		p.dependOn(name, c.Wants.Secret)
		if err := p.observe(ctx, foreign, []claim{c}, false); err != nil {
			return err
		}
	}
	if len(own) == 0 {
		return nil
	}
	return p.keep(ctx, name, existing, own)
}

func (p *pass) existing(ctx context.Context, name string) (*externalsecret.ExternalSecret, error) {
	if !p.installation.Installed() {
		return nil, nil
	}
	return p.installation.Get(ctx, p.app.Namespace, name)
}

// foreign returns the ExternalSecret of somebody else that a workload is to
// use: one that fills its Secret already, for two would fight over it, or one
// that has the name of ours. nil means that ours is wanted.
func (p *pass) foreign(ctx context.Context, existing *externalsecret.ExternalSecret, c claim) (*externalsecret.ExternalSecret, error) {
	if !p.installation.Installed() {
		return nil, nil
	}
	ours := existing != nil && existing.Ours(p.app.Name)
	if existing != nil && existing.SecretName() == c.Wants.Secret {
		if ours {
			return nil, nil
		}
		return existing, nil
	}
	other, err := p.installation.Filling(ctx, p.app.Namespace, c.Wants.Secret, c.Identity.ExternalSecret)
	if err != nil || other != nil {
		return other, err
	}
	if existing != nil && !ours {
		return existing, nil
	}
	return nil, nil
}

// keep applies our ExternalSecret for the workloads that are to have it.
func (p *pass) keep(ctx context.Context, name string, existing *externalsecret.ExternalSecret, claims []claim) error {
	winner := p.decide(claims)
	about := workloadsOf(claims)
	p.try(ctx, eventNotWritten, fmt.Sprintf("mark ExternalSecret %q as in use", name), about, func() error { return p.inUse(ctx, existing) })
	var again bool
	p.try(ctx, eventNotWritten, fmt.Sprintf("write ExternalSecret %q", name), about, func() (err error) {
		again, err = p.ensure(ctx, name, existing, winner, claims)
		return err
	})
	if again { // what is known of it is history
		p.setState(metrics.ExternalSecretPending)
		return nil
	}
	for n, c := range claims {
		// Ours names its app. Changes of any other are noticed by its name or Secret.
		if existing == nil || existing.App != p.app.Name || existing.SecretName() != c.Wants.Secret {
			p.dependOn(name, c.Wants.Secret)
		}
		claims[n].Identity, claims[n].Wants = winner.Identity, winner.Wants
	}
	return p.observe(ctx, existing, claims, true)
}

// ensure makes the ExternalSecret, or changes it, where that can be done now
// and has to be. It says where another pass is to come of itself.
func (p *pass) ensure(ctx context.Context, name string, existing *externalsecret.ExternalSecret, winner claim, claims []claim) (again bool, err error) {
	if !p.installation.Installed() || existing == nil && p.isNew(name) || existing != nil && existing.DeletionTimestamp != nil {
		return false, nil
	}
	owners, err := p.ownersFor(ctx, existing, claims)
	if err != nil {
		return false, err
	}
	if len(owners) == 0 && slices.ContainsFunc(claims, func(c claim) bool { return c.Workload.OwnsExternalSecrets() }) {
		return false, nil // they are going
	}
	if existing == nil {
		quota, err := p.external.Quota(ctx, p.installation, p.app)
		if err != nil {
			return false, err
		}
		if quota != "" {
			p.refuseMore(claims, quota)
			return false, nil
		}
	}
	p.unrecorded(ctx, existing, winner.Wants)
	if wait := p.lookups.Soon(lookup.SubjectOf(p.app, winner.Wants)); existing == nil && wait > 0 {
		p.waitAtMost(wait) // its answer brings us back, and is recorded with the first write
		return true, nil
	}
	if existing != nil && winner.Wants != p.madeBy(existing, winner.Wants) && !p.mayChange(name) {
		return false, nil
	}
	return p.apply(ctx, desired{
		Namespace: p.app.Namespace, Name: name, App: p.app.Name, Phase: existing.NextPhase(winner.Wants.Secret),
		Wants: winner.Wants, Owners: owners, Record: p.record(existing, winner.Wants), Removed: p.removed(existing, winner.Wants.Secret),
	}, existing)
}

// decide settles what the ExternalSecret is made by, and tells both sides of
// a conflict.
func (p *pass) decide(claims []claim) claim {
	if !inConflict(claims) {
		for _, c := range claims {
			p.events.Over(c.Workload, eventConflict)
		}
		winner, _ := decide(claims)
		return winner
	}
	winner, conflicts := decide(claims)
	for n, c := range conflicts {
		if n == 0 { // one is enough to know of, and a second would replace it
			p.events.Say(c.Winner, workloadevents.Warn(eventConflict, "Apply", c.Message))
		}
		p.events.Say(c.Loser, workloadevents.Warn(eventConflict, "Apply", c.Message))
	}
	return winner
}

// observe reports the state of an ExternalSecret and follows its parameter.
func (p *pass) observe(ctx context.Context, e *externalsecret.ExternalSecret, claims []claim, ours bool) error {
	c := claims[0]
	store := externalsecret.StoreRef{Kind: c.Wants.Store.Kind, Name: c.Wants.Store.Name}
	h := p.installation.Examine(ctx, p.app.Namespace, c.Identity, store, e, p.clock.Now())
	p.report(h, claims, ours)
	p.waitAtMost(h.Recheck)
	if e == nil || h.State != metrics.ExternalSecretReady {
		return nil
	}
	return p.follow(ctx, e, claims, ours)
}

func (p *pass) report(h externalsecret.Health, claims []claim, ours bool) {
	reasons := externalsecret.Reasons()
	for _, c := range claims {
		p.events.Over(c.Workload, slices.DeleteFunc(slices.Clone(reasons), func(reason string) bool { return reason == h.Reason })...)
		if h.Reason != "" {
			p.events.Say(c.Workload, workloadevents.Warn(h.Reason, "Sync", h.Message))
		}
	}
	state := h.State
	if state == metrics.ExternalSecretReady && !ours {
		state = metrics.ExternalSecretForeign
	}
	p.setState(state)
}

// setState records the state of one of the app's ExternalSecrets, of which the metric
// shows the first that is not Ready.
func (p *pass) setState(state metrics.ExternalSecretState) {
	if p.state == "" || p.state == metrics.ExternalSecretReady {
		p.state = state
	}
}

// dependOn has the app reconciled when an ExternalSecret or Secret changes.
func (p *pass) dependOn(names ...string) {
	for _, name := range names {
		if !slices.Contains(p.uses, name) {
			p.uses = append(p.uses, name)
		}
	}
}

// waitAtMost has the app reconciled again after d, or before; 0 is never.
func (p *pass) waitAtMost(d time.Duration) {
	if d > 0 && (p.wait == 0 || d < p.wait) {
		p.wait = d
	}
}

func (p *pass) log(ctx context.Context) logr.Logger { return log.FromContext(ctx) }
