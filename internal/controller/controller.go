package controller

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crconfig "sigs.k8s.io/controller-runtime/pkg/config"
	crcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// runner starts a controller each time that this replica becomes the leader. The new
// one remembers nothing, and replicas that do not lead need no memory for it.
type runner struct {
	connection inventory.Connection
	needs      Dependencies
	options    Options
	client     client.Client
	external   *eso.ExternalSecrets
	recorder   events.EventRecorder
	informers  cache.Cache // of Namespaces
	defaults   crconfig.Controller
}

// run reconciles until ctx is done.
func (c *runner) run(ctx context.Context) error {
	s := &source{log: c.connection.Log, external: c.external, informers: c.informers, dependents: newDependents(c.needs.Metrics)}
	s.inventory = inventory.New(c.connection, c.needs.Metrics, s.changed)
	r := c.reconciler(s)
	again := true // the name's metrics are those of all runner
	options := crcontroller.Options{
		Reconciler:              r,
		SkipNameValidation:      &again,
		MaxConcurrentReconciles: c.options.Workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, 5*time.Minute),
		ReconciliationTimeout:   time.Minute,
		Logger:                  c.connection.Log,
	}
	options.DefaultFromConfig(c.defaults)
	runs, err := crcontroller.NewUnmanaged(Name, options)
	if err != nil {
		return fmt.Errorf("cannot make controller %q: %w", Name, err)
	}
	if err := runs.Watch(s); err != nil {
		return fmt.Errorf("cannot watch workloads: %w", err)
	}
	check := &lookup.VersionCheck{Versions: c.needs.Versions, External: made{external{c.external}}, Lookups: r.gatherer.lookups, Log: c.connection.Log}
	c.receive(ctx, check)
	go check.Run(ctx, c.options.VersionCheckInterval)
	go func() {
		if err := s.inventory.Scan(ctx, c.informers, c.options.ScanInterval); err != nil {
			c.connection.Log.Error(err, "Cannot look for pods that were not injected")
		}
	}()
	defer c.needs.Metrics.ResetHeld()
	defer c.needs.Metrics.SetRestartsWaiting(nil)
	defer c.needs.Metrics.SetExternalSecrets(nil) // the next leader's are to count
	defer c.needs.Metrics.SetStalePods(nil)
	return runs.Start(ctx)
}

func (c *runner) reconciler(s *source) *reconciler {
	now, memory := c.options.Clock, memory.New(c.options.Clock)
	lookups := lookup.New(c.needs.Parameters, now, c.options.LookupsPerSecond, s.changed)
	return &reconciler{
		gatherer: &gatherer{
			namespaces: c.needs.Namespaces, external: external{c.external}, inventory: s.inventory, owners: s.inventory.Owners(c.client),
			client: c.client, lookups: lookups, configMaps: newConfigMaps(c.client, now), memory: memory, clock: now, decider: c.needs.Decider,
			shadows: utilcache.NewLRUExpireCacheWithClock(remembered, now),
		},
		rules: plan.Rules{
			Decider: c.needs.Decider, Settings: c.needs.Settings, NoRestarts: c.options.NoRestarts, Repair: c.options.Repair,
			MinRestartInterval: c.options.MinRestartInterval, KeepUnused: c.options.KeepUnused,
		},
		actor: &actor{
			client: c.client, events: workloadevents.New(c.recorder, now), queue: c.queue(), lookups: lookups, memory: memory,
			metrics: c.needs.Metrics, clock: now,
		},
		dependents: s.dependents,
	}
}

// queue is new with each leader: the former one did not record which restarts waited.
func (c *runner) queue() *restarts.Queue {
	options := c.options.Queue
	options.Now, options.Waiting = c.options.Clock.Now, c.needs.Metrics.SetRestartsWaiting
	return restarts.New(options)
}

// source is what the controller watches: workloads, pods, Namespaces, and what
// every replica knows of ExternalSecrets.
type source struct {
	log        logr.Logger
	external   *eso.ExternalSecrets
	informers  cache.Cache
	inventory  *inventory.Inventory
	dependents *dependents
	queue      workqueue.TypedRateLimitingInterface[reconcile.Request]
	// listed says that all is listed: what changes from now on is news.
	listed atomic.Bool
}

// changed has an app reconciled. What a new leader lists waits behind what
// changes meanwhile: a new app would be the last of thousands else.
func (t *source) changed(app client.ObjectKey) {
	if !t.listed.Load() {
		t.later(app)
		return
	}
	t.queue.Add(reconcile.Request{NamespacedName: app})
}

// later has an app reconciled when nothing is more urgent.
func (t *source) later(app client.ObjectKey) {
	request := reconcile.Request{NamespacedName: app}
	if queue, ok := t.queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		queue.AddWithOpts(priorityqueue.AddOpts{Priority: new(handler.LowPriority)}, request)
		return
	}
	t.queue.Add(request)
}

// Start implements source.Source. It ends with ctx.
func (t *source) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	t.queue = queue
	if err := t.watchNamespaces(ctx); err != nil {
		return err
	}
	if err := t.inventory.Start(ctx); err != nil {
		return err
	}
	t.external.Listen(ctx, eso.Listener{
		Changed: func(e *externalsecret.ExternalSecret) {
			for _, app := range t.dependents.concerned(e) {
				t.changed(app)
			}
		},
		All: func() { t.everything(ctx) },
	})
	t.everything(ctx)
	return nil
}

// WaitForSync implements source.SyncingSource: a workload that is not listed
// yet must not be taken for one that is gone.
func (t *source) WaitForSync(ctx context.Context) error {
	if err := t.inventory.Wait(ctx); err != nil {
		return err
	}
	t.listed.Store(true)
	return nil
}

// everything has all apps reconciled, those that only an ExternalSecret tells
// of included.
func (t *source) everything(ctx context.Context) {
	t.all("", t.later)
	i := t.external.Current()
	if i == nil {
		return
	}
	apps, err := i.Abandonable(ctx)
	if err != nil {
		t.log.Error(err, "Cannot tell which ExternalSecrets nothing owns")
	}
	for _, app := range apps {
		t.later(app)
	}
}

// all has the apps of a namespace reconciled, with "" those of all.
func (t *source) all(namespace string, reconcile func(client.ObjectKey)) {
	for _, app := range t.inventory.Apps(namespace) {
		reconcile(app)
	}
}

// relabel has the apps of a namespace reconciled whose labels or annotations
// changed. Those that only Jobs or pods used that are gone are known by their
// ExternalSecret alone, which the Namespace may no longer have.
func (t *source) relabel(ctx context.Context, namespace string) {
	t.all(namespace, t.changed)
	i := t.external.Current()
	if i == nil {
		return
	}
	made, err := i.Made(ctx, namespace, "")
	if err != nil {
		t.log.Error(err, "Cannot tell which ExternalSecrets a namespace has", "namespace", namespace)
	}
	for _, e := range made {
		t.changed(client.ObjectKey{Namespace: namespace, Name: e.App})
	}
}

// watchNamespaces has the apps of a Namespace reconciled when its labels or
// annotations change: they decide opt-in, system, environment and tenancy.
func (t *source) watchNamespaces(ctx context.Context) error {
	informer, err := t.informers.GetInformer(ctx, partialNamespace())
	if err != nil {
		return fmt.Errorf("cannot watch namespaces: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(last, next any) {
		a, ok := last.(*metav1.PartialObjectMetadata)
		b, ok2 := next.(*metav1.PartialObjectMetadata)
		if ok && ok2 && !(maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)) {
			t.relabel(ctx, b.Name)
		}
		if ok && ok2 && a.Labels[api.LabelInject] != b.Labels[api.LabelInject] {
			t.inventory.LookFor(b.Name)
		}
	}})
	if err != nil {
		return fmt.Errorf("cannot watch namespaces: %w", err)
	}
	context.AfterFunc(ctx, func() {
		if err := informer.RemoveEventHandler(registration); err != nil {
			t.log.Error(err, "Cannot stop watching namespaces")
		}
	})
	return nil
}

func partialNamespace() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}

// external is what every replica knows of ExternalSecrets.
type external struct{ *eso.ExternalSecrets }

// Installation implements External.
func (x external) Installation() Installation {
	i := x.Current()
	if i == nil {
		return nil // and no pointer that is nil
	}
	return i
}

// Quota implements External.
func (x external) Quota(ctx context.Context, app client.ObjectKey) (string, error) {
	i := x.Current()
	if i == nil {
		return "", nil
	}
	return x.ExternalSecrets.Quota(ctx, i, app) //nolint:wrapcheck // it says what failed
}

// Question implements External.
func (x external) Question(ctx context.Context, namespace string, w externalsecret.Wants, freshAfter time.Time) (facts.Question, string) {
	i := x.Current()
	if i == nil {
		return facts.Question{}, "it is not known whether the External Secrets Operator is installed"
	}
	return x.Ask(ctx, i, w, namespace, freshAfter)
}

// made are the ExternalSecrets whose parameters are checked for new versions.
type made struct{ external }

// Made lists those that envgraft made.
func (m made) Made(ctx context.Context) ([]*externalsecret.ExternalSecret, error) {
	i := m.Current()
	if i == nil {
		return nil, nil
	}
	return i.Made(ctx, "", "")
}

// Question asks for the parameter of a namespace's app, or says why nobody may.
func (m made) Question(ctx context.Context, namespace string, w externalsecret.Wants) (q facts.Question, unchecked string) {
	return m.external.Question(ctx, namespace, w, time.Time{})
}
