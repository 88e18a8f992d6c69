package controller

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	crconfig "sigs.k8s.io/controller-runtime/pkg/config"
	crcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// terms makes a controller for each time that this replica leads.
// What a former one remembered is of the past, and replicas that do not lead
// do not pay its memory.
type terms struct {
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
func (c *terms) run(ctx context.Context) error {
	s := &tables{log: c.connection.Log, external: c.external, informers: c.informers, ledger: newLedger(c.needs.Metrics)}
	s.inventory = inventory.New(c.connection, c.needs.Metrics, s.changed)
	r := c.reconciler(s)
	again := true // the name's metrics are those of all terms
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
	check := &versionCheck{versions: c.needs.Versions, external: c.external, lookups: r.lookups, log: c.connection.Log}
	c.receive(ctx, check)
	go check.run(ctx, c.options.VersionCheckInterval)
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

func (c *terms) reconciler(s *tables) *reconciler {
	return &reconciler{
		Dependencies: c.needs,
		options:      c.options,
		external:     c.external,
		ledger:       s.ledger,
		inventory:    s.inventory,
		client:       c.client,
		owners:       s.inventory.Owners(c.client),
		events:       workloadevents.New(c.recorder, c.options.Clock),
		clock:        c.options.Clock,
		applied:      utilcache.NewLRUExpireCache(remembered),
		checked:      utilcache.NewLRUExpireCache(remembered),
		settled:      utilcache.NewLRUExpireCache(remembered),
		hiding:       utilcache.NewLRUExpireCache(remembered),
		unused:       utilcache.NewLRUExpireCache(remembered),
		queue:        c.queue(),
		lookups:      newLookups(c.needs.Parameters, rate.NewLimiter(rate.Limit(c.options.LookupsPerSecond), lookupBurst), s.changed),
	}
}

// queue is that of this term: whoever led before did not say what he waited for.
func (c *terms) queue() *restarts.Queue {
	options := c.options.Queue
	options.Now, options.Waiting = c.options.Clock.Now, c.needs.Metrics.SetRestartsWaiting
	return restarts.New(options)
}

// tables are the controller's source: workloads, pods, Namespaces, and what
// every replica knows of ExternalSecrets.
type tables struct {
	log       logr.Logger
	external  *eso.ExternalSecrets
	informers cache.Cache
	inventory *inventory.Inventory
	ledger    *ledger
	queue     workqueue.TypedRateLimitingInterface[reconcile.Request]
}

// changed has an app reconciled.
func (t *tables) changed(app client.ObjectKey) { t.queue.Add(reconcile.Request{NamespacedName: app}) }

// Start implements source.Source. It ends with ctx.
func (t *tables) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	t.queue = queue
	if err := t.watchNamespaces(ctx); err != nil {
		return err
	}
	if err := t.inventory.Start(ctx); err != nil {
		return err
	}
	t.external.Listen(ctx, eso.Listener{
		Changed: func(e *eso.ExternalSecret) {
			for _, app := range t.ledger.concerned(e) {
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
func (t *tables) WaitForSync(ctx context.Context) error { return t.inventory.Wait(ctx) }

// everything has all apps reconciled, those that only an ExternalSecret tells
// of included.
func (t *tables) everything(ctx context.Context) {
	t.all("")
	i := t.external.Current()
	if i == nil {
		return
	}
	apps, err := i.Abandonable(ctx)
	if err != nil {
		t.log.Error(err, "Cannot tell which ExternalSecrets nothing owns")
	}
	for _, app := range apps {
		t.changed(app)
	}
}

// all has the apps of a namespace reconciled, with "" those of all.
func (t *tables) all(namespace string) {
	for _, app := range t.inventory.Apps(namespace) {
		t.changed(app)
	}
}

// watchNamespaces has the apps of a Namespace reconciled when its labels or
// annotations change: they decide opt-in, system, environment and tenancy.
func (t *tables) watchNamespaces(ctx context.Context) error {
	informer, err := t.informers.GetInformer(ctx, partialNamespace())
	if err != nil {
		return fmt.Errorf("cannot watch namespaces: %w", err)
	}
	registration, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{UpdateFunc: func(last, next any) {
		a, ok := last.(*metav1.PartialObjectMetadata)
		b, ok2 := next.(*metav1.PartialObjectMetadata)
		if ok && ok2 && !(maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations)) {
			t.all(b.Name)
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
