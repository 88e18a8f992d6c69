package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

const (
	// informerLag is how long an apply may take to be seen by the informer.
	informerLag = 10 * time.Second
	// ownerRetry is when to look again at an owner that was going.
	ownerRetry = 2 * time.Second
	appliedTTL = 24 * time.Hour
)

// lastApply is what was applied, and the version of the object that it made.
type lastApply struct {
	object          uint64
	resourceVersion string
	at              time.Time
}

// isNew says that the ExternalSecret was made just now and that the informer
// does not have it yet: to make it again would cost calls and change nothing.
func (p *pass) isNew(name string) bool {
	value, ok := p.applied.Get(types.NamespacedName{Namespace: p.app.Namespace, Name: name})
	if !ok {
		return false
	}
	age := p.clock.Since(value.(lastApply).at) //nolint:forcetypeassert // nothing else is put there
	if age >= informerLag {
		return false
	}
	p.waitAtMost(informerLag - age)
	return true
}

// changeInterval is the least time between two changes of what one ExternalSecret
// is made by: each costs a write, a lookup and a refresh by ESO, and whoever may
// change a Deployment could ask for 25 of them a second.
// The first changeBurst are made at once: a person who tries things out waits for none.
const (
	changeInterval = 30 * time.Second
	changeBurst    = 5
)

// madeBy is what an ExternalSecret was made by. Its deletion policy follows later
// than all else, and is no change of what is wanted.
func (p *pass) madeBy(e *externalsecret.ExternalSecret, w externalsecret.Wants) externalsecret.Wants {
	was := e.Made()
	was.DeletionPolicy = w.DeletionPolicy
	if interval, err := time.ParseDuration(e.Spec.RefreshInterval); err == nil {
		was.RefreshInterval = interval
	}
	return was
}

// mayChange says that an ExternalSecret may be made to be of something else now.
// Where it may not, it says when another pass is to come.
func (p *pass) mayChange(name string) bool {
	key := types.NamespacedName{Namespace: p.app.Namespace, Name: name}
	limiter := rate.NewLimiter(rate.Every(changeInterval), changeBurst)
	if known, ok := p.changes.Get(key); ok {
		limiter = known.(*rate.Limiter) //nolint:forcetypeassert // nothing else is put there
	}
	now := p.clock.Now()
	change := limiter.ReserveN(now, 1)
	if rest := change.DelayFrom(now); rest > 0 {
		change.CancelAt(now)
		p.waitAtMost(rest)
		return false
	}
	p.changes.Add(key, limiter, changeBurst*changeInterval)
	return true
}

// apply changes the ExternalSecret to what it should be, if it is not.
func (p *pass) apply(ctx context.Context, d desired, existing *externalsecret.ExternalSecret) (changed bool, err error) {
	key := types.NamespacedName{Namespace: d.Namespace, Name: d.Name}
	if d.matches(existing) {
		p.applied.Remove(key)
		return false, nil
	}
	object, err := d.object(p.installation.Version, existing)
	if err != nil {
		return false, err
	}
	fingerprint, err := hash(object)
	if err != nil {
		return false, err
	}
	if value, ok := p.applied.Get(key); ok {
		last := value.(lastApply) //nolint:forcetypeassert // nothing else is put there
		if last.object == fingerprint && existing != nil && existing.ResourceVersion == last.resourceVersion {
			return false, nil // the API server made of it what it is: asking again would not help
		}
		if age := p.clock.Since(last.at); last.object == fingerprint && age < informerLag {
			p.waitAtMost(informerLag - age)
			return false, nil
		}
	}
	// Without force a create gives way to one that somebody makes this moment.
	options := []client.ApplyOption{client.FieldOwner(api.FieldManager)}
	if existing != nil {
		options = append(options, client.ForceOwnership)
	}
	if err := p.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
		return false, fmt.Errorf("cannot apply ExternalSecret %q: %w", d.Name, err)
	}
	p.applied.Add(key, lastApply{object: fingerprint, resourceVersion: object.GetResourceVersion(), at: p.clock.Now()}, appliedTTL)
	p.log(ctx).Info("Applied ExternalSecret", "externalSecret", d.Name, "parameter", d.Wants.Parameter, "owners", len(d.Owners))
	return true, nil
}

func hash(object *unstructured.Unstructured) (uint64, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return 0, fmt.Errorf("cannot encode ExternalSecret %q: %w", object.GetName(), err)
	}
	h := fnv.New64a()
	h.Write(raw)
	return h.Sum64(), nil
}
