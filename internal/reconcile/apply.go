package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

const (
	// informerLag is how long an apply may take to be seen by the informer.
	informerLag = 10 * time.Second
	// ownerRetry is when to look again at an owner that was going.
	ownerRetry = 2 * time.Second
	// idleTTL is for how long an owner without pods is taken for what it was.
	idleTTL    = time.Hour
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
	age := time.Since(value.(lastApply).at) //nolint:forcetypeassert // nothing else is put there
	if age >= informerLag {
		return false
	}
	p.waitAtMost(informerLag - age)
	return true
}

// apply makes the ExternalSecret what it ought to be, if it is not.
func (p *pass) apply(ctx context.Context, d desired, existing *eso.ExternalSecret) (changed bool, err error) {
	if d.matches(existing) {
		return false, nil
	}
	object := d.object(p.installation.Version, existing)
	fingerprint, err := hash(object)
	if err != nil {
		return false, err
	}
	key := types.NamespacedName{Namespace: d.Namespace, Name: d.Name}
	if value, ok := p.applied.Get(key); ok {
		last := value.(lastApply) //nolint:forcetypeassert // nothing else is put there
		if last.object == fingerprint && existing != nil && existing.ResourceVersion == last.resourceVersion {
			return false, nil // the API server made of it what it is: asking again would not help
		}
		if age := time.Since(last.at); last.object == fingerprint && age < informerLag {
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
	p.applied.Add(key, lastApply{object: fingerprint, resourceVersion: object.GetResourceVersion(), at: time.Now()}, appliedTTL)
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

// ownersFor returns the workloads that are to own the ExternalSecret: those
// with pods, and those without that own it already and still want it, as one
// that was scaled to zero.
func (p *pass) ownersFor(ctx context.Context, existing *eso.ExternalSecret, claims []claim) ([]workload, error) {
	var owners []workload
	live := sets.New[types.UID]()
	for _, c := range claims {
		live.Insert(c.Workload.UID)
		p.idle.Remove(c.Workload.UID)
		sure, err := p.mayOwn(ctx, existing, c)
		if err != nil {
			return nil, err
		}
		if sure {
			owners = append(owners, c.Workload)
		}
	}
	if existing != nil {
		for _, ref := range existing.OwnerReferences {
			if live.Has(ref.UID) || p.refused[ref.UID] || !slices.Contains(existing.Applied.Owners, ref.UID) {
				continue
			}
			stays, err := p.stays(ctx, existing, fromReference(p.app.Namespace, ref))
			if err != nil {
				return nil, err
			}
			if stays {
				owners = append(owners, fromReference(p.app.Namespace, ref))
			}
		}
	}
	slices.SortFunc(owners, compareWorkloads)
	return owners, nil
}

// mayOwn makes sure of a new owner that it is there, unless that was read
// just now: see owners.alive.
func (p *pass) mayOwn(ctx context.Context, existing *eso.ExternalSecret, c claim) (bool, error) {
	if existing != nil && existing.HasOwner(c.Workload.UID) || existing == nil && !c.read.Before(p.began) {
		return true, nil
	}
	alive, err := p.owners.alive(ctx, c.Workload)
	if err != nil || alive {
		return alive, err
	}
	p.owners.forget(p.pods)
	p.waitAtMost(ownerRetry)
	return false, nil
}

// stays says of an owner without pods whether it would have an ExternalSecret
// still. What cannot be told is left as it is.
func (p *pass) stays(ctx context.Context, existing *eso.ExternalSecret, w workload) (bool, error) {
	if known, ok := p.idle.Get(w.UID); ok {
		return known == true, nil
	}
	stays, err := p.wouldClaim(ctx, existing.Name, w)
	if err != nil {
		return false, err
	}
	p.idle.Add(w.UID, stays, idleTTL)
	return stays, nil
}

func (p *pass) wouldClaim(ctx context.Context, externalSecret string, w workload) (bool, error) {
	path, ok := templatePath(w)
	if !ok {
		alive, err := p.owners.alive(ctx, w)
		return alive, err
	}
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(w.APIVersion)
	object.SetKind(w.Kind)
	err := p.client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: w.Name}, object)
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return false, nil
	case apierrors.IsForbidden(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("cannot read owner %q: %w", w, err)
	case object.GetUID() != w.UID:
		return false, nil
	}
	template, found, err := unstructured.NestedMap(object.Object, append(path, "metadata")...)
	if err != nil || !found {
		return true, nil //nolint:nilerr // a Rollout that names another workload has no template of its own
	}
	ns, err := p.Namespaces.Namespace(ctx, p.app.Namespace)
	if err != nil {
		return false, fmt.Errorf("cannot get namespace %q: %w", p.app.Namespace, err)
	}
	d := p.Decider.Decide(ns, templateIdentity(template))
	return d.Status == graft.StatusInjected && d.Settings.Secrets && d.Identity.ExternalSecret == externalSecret, nil
}

// templatePath is where a workload keeps its pod template.
func templatePath(w workload) ([]string, bool) {
	gk := w.groupKind()
	switch gk.Group {
	case groupApps, groupArgo:
		return []string{"spec", "template"}, true
	case groupBatch:
		if gk.Kind == kindCronJob {
			return []string{"spec", "jobTemplate", "spec", "template"}, true
		}
		return []string{"spec", "template"}, true
	}
	return nil, false
}

func templateIdentity(metadata map[string]any) identity.Pod {
	object := metav1.ObjectMeta{}
	template := unstructured.Unstructured{Object: map[string]any{"metadata": metadata}}
	object.Labels, object.Annotations = template.GetLabels(), template.GetAnnotations()
	return identity.Pod{Labels: object.Labels, Annotations: object.Annotations}
}
