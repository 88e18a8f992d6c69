package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/workload"
)

// Installation is what a replica knows of ESO from memory: see eso.Installation.
type Installation interface {
	ServedVersion() string
	Get(ctx context.Context, namespace, name string) (*externalsecret.ExternalSecret, error)
	Filling(ctx context.Context, namespace, secret, except string) (*externalsecret.ExternalSecret, error)
	OfApp(ctx context.Context, app client.ObjectKey) ([]*externalsecret.ExternalSecret, error)
	Lacks(ctx context.Context, namespace string, ref externalsecret.StoreRef) bool
}

// External is what the controller asks about ExternalSecrets beside their objects.
type External interface {
	// Installation is nil until it is known whether ESO is installed.
	Installation() Installation
	Quota(ctx context.Context, app client.ObjectKey) (string, error)
	// Question asks for a parameter, or says why nobody may.
	Question(ctx context.Context, namespace string, w externalsecret.Wants, freshAfter time.Time) (q facts.Question, unchecked string)
}

// Inventory is what the leader holds of workloads and pods: see inventory.Inventory.
type Inventory interface {
	Workloads(app client.ObjectKey) []*inventory.Workload
	Workload(of workload.Ref) *inventory.Workload
	Pods(app client.ObjectKey) []*inventory.Pod
	AllPods(app client.ObjectKey) []*inventory.Pod
	Listed(gk schema.GroupKind) bool
}

// Owners finds out whose a pod is: see inventory.Owners.
type Owners interface {
	Top(ctx context.Context, pod *inventory.Pod) (*workload.Ref, error)
	Alive(ctx context.Context, w workload.Ref) (bool, error)
}

// gatherer reads what plans are made of, and nothing twice within one reconciliation.
type gatherer struct {
	namespaces Namespaces
	external   External
	inventory  Inventory
	owners     Owners
	client     client.Reader // not cached
	lookups    *lookup.Lookups
	configMaps *configMaps
	memory     *memory.Memory
	clock      clock.PassiveClock
	decider    Decider

	// shadows is whether the templates of revisions shadow keys.
	shadows *utilcache.LRUExpireCache
}

// snapshot reads what is in memory.
func (g *gatherer) snapshot(ctx context.Context, i Installation, app client.ObjectKey) (*plan.Snapshot, error) {
	s := &plan.Snapshot{
		App: app, Now: g.clock.Now(), ESOVersion: i.ServedVersion(), Memory: g.memory,
		Workloads: g.inventory.Workloads(app), Pods: g.inventory.Pods(app), AllPods: g.inventory.AllPods(app),
		Listed: make(map[schema.GroupKind]bool),
	}
	for _, k := range workload.DeployedKinds() {
		s.Listed[k.GroupKind()] = g.inventory.Listed(k.GroupKind())
	}
	ns, err := g.namespaces.Namespace(ctx, app.Namespace)
	switch {
	case err == nil:
		s.Namespace = &ns
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("cannot get namespace %q: %w", app.Namespace, err)
	}
	s.OfApp, err = i.OfApp(ctx, app)
	if err != nil {
		return nil, fmt.Errorf("cannot list the ExternalSecrets of app %q: %w", app.Name, err)
	}
	return s, nil
}

// reading answers the questions of one reconciliation.
type reading struct {
	*gatherer

	installation Installation
	snapshot     *plan.Snapshot
}

// answer answers a question: see package plan for the types.
func (r reading) answer(ctx context.Context, question any) (any, error) {
	ns := r.snapshot.App.Namespace
	switch q := question.(type) {
	case plan.TopOf:
		return r.top(ctx, q.Pod)
	case plan.IsAlive:
		return r.owners.Alive(ctx, q.Workload)
	case plan.Existing:
		return r.installation.Get(ctx, ns, q.Name)
	case plan.Filling:
		return r.installation.Filling(ctx, ns, q.Secret, q.Except)
	case plan.StoreMissing:
		return r.installation.Lacks(ctx, ns, q.Store), nil
	case plan.Quota:
		return r.external.Quota(ctx, r.snapshot.App)
	case plan.LookupOf:
		asked, _ := r.external.Question(ctx, ns, q.Wants, time.Time{})
		return plan.Lookup{Origin: asked.Origin, Newest: r.lookups.Newest(r.subject(q.Wants))}, nil
	case plan.ParameterOf:
		return r.lookUp(ctx, q), nil
	case plan.RecordOf:
		return r.record(q.Wants), nil
	case plan.Shadows:
		return r.anyShadows(ctx, q)
	case plan.ObjectOf:
		return readWorkload(ctx, r.client, q.Workload)
	case plan.PodRuns:
		return r.podRuns(ctx, q.Pod)
	case plan.PodNamed:
		return r.pod(ctx, q.Name)
	case plan.ConfigMapOf:
		return r.configMaps.get(ctx, client.ObjectKey{Namespace: ns, Name: q.Name})
	case plan.ConfigMapData:
		return r.configMaps.read(ctx, client.ObjectKey{Namespace: ns, Name: q.Name})
	}
	return nil, fmt.Errorf("cannot answer a %T", question)
}

func (r reading) subject(w externalsecret.Wants) lookup.Subject {
	return lookup.SubjectOf(r.snapshot.App, w)
}

func (r reading) top(ctx context.Context, pod *inventory.Pod) (plan.Top, error) {
	ref, err := r.owners.Top(ctx, pod)
	if err != nil || ref == nil {
		return plan.Top{}, err
	}
	return plan.Top{Ref: ref, Row: r.inventory.Workload(*ref)}, nil
}

// lookUp has a parameter looked up. A lookup goes on when the reconciliation that
// asked has ended.
func (r reading) lookUp(ctx context.Context, q plan.ParameterOf) plan.Found {
	asked, unchecked := r.external.Question(ctx, r.snapshot.App.Namespace, q.Wants, q.FreshAfter)
	if unchecked != "" {
		return plan.Found{}
	}
	s := r.subject(q.Wants)
	var f plan.Found
	f.Parameter, f.Known, f.Wait = r.lookups.Ask(s, asked) //nolint:contextcheck // see above
	f.Soon = r.lookups.Soon(s)
	return f
}

// record is what the last lookup says of a parameter; nil where it says nothing that lasts.
func (r reading) record(w externalsecret.Wants) *externalsecret.Record {
	last, q, ok := r.lookups.Last(r.subject(w))
	if !ok {
		return nil
	}
	return eso.NewRecord(w, last, q)
}

// revision is a question whose answer does not change: the pods of a revision
// are made of one template.
type revision struct {
	workload types.UID
	revision string
	version  int64
}

func (r reading) anyShadows(ctx context.Context, q plan.Shadows) (bool, error) {
	of := revision{q.Workload.UID, q.Revision, q.Record.Version}
	if known, ok := r.shadows.Get(of); ok {
		return known.(bool), nil //nolint:forcetypeassert // nothing else is put there
	}
	object, err := readWorkload(ctx, r.client, q.Template)
	if err != nil || object == nil {
		return false, err
	}
	shadows, err := plan.AnyShadows(r.decider, *r.snapshot.Namespace, object, q.Record)
	if err == nil {
		r.shadows.Add(of, shadows, 24*time.Hour)
	}
	return shadows, err
}

// podRuns says that a pod has not been replaced since it was seen. The right to
// list pods is enough to ask.
func (r reading) podRuns(ctx context.Context, pod *inventory.Pod) (bool, error) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	if err := r.client.List(ctx, list, client.InNamespace(pod.Namespace), client.MatchingFields{"metadata.name": pod.Name}); err != nil {
		return false, fmt.Errorf("cannot look for pod %q: %w", pod.Name, err)
	}
	return slices.ContainsFunc(list.Items, func(o metav1.PartialObjectMetadata) bool {
		return o.UID == pod.UID && o.DeletionTimestamp == nil
	}), nil
}

func (r reading) pod(ctx context.Context, name string) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.snapshot.App.Namespace, Name: name}, pod)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read pod %q: %w", name, err)
	}
	return pod, nil
}

// readWorkload returns a workload as it is; nil where it is gone.
func readWorkload(ctx context.Context, reader client.Reader, w workload.Ref) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(w.APIVersion)
	object.SetKind(w.Kind)
	err := reader.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: w.Name}, object)
	if apierrors.IsNotFound(err) || err == nil && w.UID != "" && object.GetUID() != w.UID {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", w, err)
	}
	return object, nil
}
