package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
)

// reconciler makes the ExternalSecret of one app at a time. What it remembers
// only saves calls: a restart loses it, and nothing but calls with it.
type reconciler struct {
	Dependencies
	options  Options
	external *eso.ExternalSecrets
	ledger   *ledger
	pods     client.Reader
	client   client.Client // not cached
	owners   *owners
	events   *announcer

	// applied is the last apply of each ExternalSecret.
	applied *utilcache.LRUExpireCache
	// idle says of owners without pods whether they stay owners, by UID.
	idle *utilcache.LRUExpireCache
	// checked is the newest pod for which an app's parameter was looked up.
	checked *utilcache.LRUExpireCache
	// settled are pods that waited for a Secret and need no more thought.
	settled *utilcache.LRUExpireCache
	lookups *rate.Limiter
}

// Reconcile implements reconcile.Reconciler. The request's name is an app's.
func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	app, began := request.NamespacedName, time.Now()
	i := r.external.Current()
	if i == nil {
		return reconcile.Result{}, nil // the first discovery has all apps reconciled
	}
	pods, err := podsOf(ctx, r.pods, app)
	if err != nil {
		return reconcile.Result{}, err
	}
	claims, refused, err := r.claims(ctx, app, pods)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(claims) == 0 {
		r.ledger.forget(app)
		return reconcile.Result{}, nil
	}

	// Nearly always one; a name template with {environment} in it makes more.
	groups := make(map[string][]claim)
	for _, c := range claims {
		groups[c.Identity.ExternalSecret] = append(groups[c.Identity.ExternalSecret], c)
	}
	p := &pass{reconciler: r, installation: i, began: began, app: app, pods: pods, refused: refused}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		err := p.reconcile(ctx, name, groups[name])
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return reconcile.Result{}, nil // its pods are about to go, too
		}
		if err != nil {
			return reconcile.Result{}, err
		}
	}
	r.ledger.record(app, p.state, p.uses)
	return reconcile.Result{RequeueAfter: p.wait}, nil
}

// claims groups pods by workload and asks, for the newest pod of each, what it
// wants. It trusts no mark on a pod: whoever may create pods can write one by
// hand. refused are workloads with pods that want no ExternalSecret.
func (r *reconciler) claims(
	ctx context.Context, app client.ObjectKey, pods []metav1.PartialObjectMetadata,
) (claims []claim, refused map[types.UID]bool, err error) {
	if len(pods) == 0 {
		return nil, nil, nil
	}
	ns, err := r.Namespaces.Namespace(ctx, app.Namespace)
	if apierrors.IsNotFound(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot get namespace %q: %w", app.Namespace, err)
	}
	refused = make(map[types.UID]bool)
	byWorkload := make(map[types.UID]int)
	for n := range pods {
		pod := &pods[n]
		top, read, err := r.owners.top(ctx, pod)
		if err != nil {
			return nil, nil, err
		}
		if top == nil || refused[top.UID] {
			continue
		}
		at, known := byWorkload[top.UID]
		if !known {
			c, ok := r.claim(ns, *top, pod)
			if !ok {
				refused[top.UID] = true
				continue
			}
			at = len(claims)
			byWorkload[top.UID] = at
			claims = append(claims, c)
		}
		claims[at].add(pod, read)
	}
	return claims, refused, nil
}

// claim is what a workload asks for by its newest pod.
func (r *reconciler) claim(ns identity.Namespace, w workload, newest *metav1.PartialObjectMetadata) (claim, bool) {
	d := r.Decider.Decide(ns, podIdentity(newest))
	if d.Status != graft.StatusInjected || !d.Settings.Secrets {
		return claim{}, false
	}
	return claim{
		Workload: w,
		Identity: d.Identity,
		Wants:    eso.WantsOf(d, r.Settings(d.Identity.ParameterEnvironment)),
		Newest:   newest.CreationTimestamp.Time,
		revision: revision(newest),
		read:     time.Now(),
	}, true
}

// add takes a further pod of the workload into account, the newest first.
func (c *claim) add(pod *metav1.PartialObjectMetadata, read time.Time) {
	if read.Before(c.read) {
		c.read = read
	}
	// Pods of a former revision are being replaced already.
	awaits := pod.Annotations[api.AnnotationAwaitsSecret] == "true" && pod.DeletionTimestamp == nil
	if awaits && c.Awaiting == "" && revision(pod) == c.revision {
		c.Awaiting = pod.UID
	}
}

// pass is one reconciliation of one app.
type pass struct {
	*reconciler
	installation *eso.Installation
	began        time.Time
	app          client.ObjectKey
	pods         []metav1.PartialObjectMetadata
	refused      map[types.UID]bool

	// What comes of it.
	state metrics.ExternalSecretState
	uses  []dependency
	wait  time.Duration
}

// reconcile sees to one ExternalSecret, and to those of others that the
// workloads use in its stead.
func (p *pass) reconcile(ctx context.Context, name string, claims []claim) error {
	existing, err := p.existing(ctx, name)
	if err != nil {
		return err
	}
	var own []claim
	for _, c := range claims {
		p.dependOn(name, c.Wants.Secret)
		foreign, err := p.foreign(ctx, existing, c)
		if err != nil {
			return err
		}
		if foreign == nil {
			own = append(own, c)
			continue
		}
		if err := p.observe(ctx, foreign, []claim{c}, false); err != nil {
			return err
		}
	}
	if len(own) == 0 {
		return nil
	}
	return p.keep(ctx, name, existing, own)
}

func (p *pass) existing(ctx context.Context, name string) (*eso.ExternalSecret, error) {
	if !p.installation.Installed() {
		return nil, nil
	}
	return p.installation.Get(ctx, p.app.Namespace, name)
}

// foreign returns the ExternalSecret of somebody else that a workload is to
// use: one that fills its Secret already, for two would fight over it, or one
// that has the name of ours. nil means that ours is wanted.
func (p *pass) foreign(ctx context.Context, existing *eso.ExternalSecret, c claim) (*eso.ExternalSecret, error) {
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
func (p *pass) keep(ctx context.Context, name string, existing *eso.ExternalSecret, claims []claim) error {
	winner, err := p.decide(ctx, claims)
	if err != nil {
		return err
	}
	changed, err := p.ensure(ctx, name, existing, winner, claims)
	if err != nil {
		return err
	}
	if changed { // what is known of it is history; its event brings us back
		p.fares(metrics.ExternalSecretPending)
		return nil
	}
	for n := range claims {
		claims[n].Identity, claims[n].Wants = winner.Identity, winner.Wants
	}
	return p.observe(ctx, existing, claims, true)
}

// ensure makes the ExternalSecret, or changes it, where that can be done now
// and has to be.
func (p *pass) ensure(ctx context.Context, name string, existing *eso.ExternalSecret, winner claim, claims []claim) (changed bool, err error) {
	if !p.installation.Installed() || existing == nil && p.isNew(name) || existing != nil && existing.DeletionTimestamp != nil {
		return false, nil
	}
	owners, err := p.ownersFor(ctx, existing, claims)
	if err != nil || len(owners) == 0 {
		return false, err
	}
	d := desired{Namespace: p.app.Namespace, Name: name, App: p.app.Name, Wants: winner.Wants, Owners: owners}
	return p.apply(ctx, d, existing)
}

// decide settles what the ExternalSecret is made by, and tells both sides of
// a conflict.
func (p *pass) decide(ctx context.Context, claims []claim) (claim, error) {
	if !inConflict(claims) {
		for _, c := range claims {
			p.events.over(c.Workload, eventConflict)
		}
		winner, _ := decide(claims)
		return winner, nil
	}
	for n := range claims {
		created, err := p.owners.createdAt(ctx, claims[n].Workload)
		if err != nil {
			return claim{}, err
		}
		claims[n].Created = created
	}
	winner, conflicts := decide(claims)
	for n, c := range conflicts {
		if n == 0 { // one is enough to know of, and a second would replace it
			p.events.warn(c.Winner, eventConflict, "Apply", c.Message)
		}
		p.events.warn(c.Loser, eventConflict, "Apply", c.Message)
	}
	return winner, nil
}

// observe says how an ExternalSecret fares and follows its parameter.
func (p *pass) observe(ctx context.Context, e *eso.ExternalSecret, claims []claim, ours bool) error {
	c := claims[0]
	store := eso.StoreRef{Kind: c.Wants.Store.Kind, Name: c.Wants.Store.Name}
	h := p.installation.Examine(ctx, p.app.Namespace, c.Identity, store, e, time.Now())
	p.report(h, claims, ours)
	p.waitAtMost(h.Recheck)
	if e == nil || h.State != metrics.ExternalSecretReady {
		return nil
	}
	return p.follow(ctx, e, claims, ours)
}

func (p *pass) report(h eso.Health, claims []claim, ours bool) {
	reasons := []string{eso.ReasonNotInstalled, eso.ReasonNoStore, eso.ReasonFailing, eso.ReasonUnattended, eso.ReasonForeign}
	for _, c := range claims {
		p.events.over(c.Workload, slices.DeleteFunc(slices.Clone(reasons), func(reason string) bool { return reason == h.Reason })...)
		if h.Reason != "" {
			p.events.warn(c.Workload, h.Reason, "Sync", h.Message)
		}
	}
	state := h.State
	if state == metrics.ExternalSecretReady && !ours {
		state = metrics.ExternalSecretForeign
	}
	p.fares(state)
}

// fares notes a state of one of the app's ExternalSecrets, of which the metric
// shows the first that is not Ready.
func (p *pass) fares(state metrics.ExternalSecretState) {
	if p.state == "" || p.state == metrics.ExternalSecretReady {
		p.state = state
	}
}

func (p *pass) dependOn(externalSecret, secret string) {
	for _, d := range []dependency{
		{eso.Kind, client.ObjectKey{Namespace: p.app.Namespace, Name: externalSecret}},
		{kindSecret, client.ObjectKey{Namespace: p.app.Namespace, Name: secret}},
	} {
		if !slices.Contains(p.uses, d) {
			p.uses = append(p.uses, d)
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
