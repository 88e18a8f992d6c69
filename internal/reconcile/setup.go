package reconcile

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Name is the controller's, in logs, in metrics and as the source of Events.
const Name = "envgraft"

// Decider computes opt-in, identity and settings from labels and annotations.
type Decider interface {
	Decide(ns identity.Namespace, pod identity.Pod) graft.Decision
}

// Namespaces returns Namespaces as they are.
type Namespaces interface {
	Namespace(ctx context.Context, name string) (identity.Namespace, error)
}

// Parameters looks parameters up. It is expected to keep to a budget of its own.
type Parameters interface {
	Parameter(ctx context.Context, q facts.Question) facts.Parameter
}

// Dependencies are what the controller cannot do without.
type Dependencies struct {
	Decider    Decider
	Namespaces Namespaces
	Parameters Parameters
	Metrics    *metrics.Metrics
	Settings   eso.Settings
}

// Options are what the controller has defaults for.
type Options struct {
	// NoRestarts leaves workloads whose Secret came after their pods to people:
	// they get an Event.
	NoRestarts bool
	// DiscoveryInterval is how often the API server is asked whether ESO is
	// there, and in which version. The default is 20 s.
	DiscoveryInterval time.Duration
	// QPS and Burst bound the controller's calls of the API server a second.
	// The default is 200, with bursts of 400.
	QPS   float32
	Burst int
	// Workers is how many apps are reconciled at a time. The default is 8.
	Workers int
	// LookupsPerSecond bounds the parameters that are looked up, within the
	// budget that Parameters keeps to. The default is 5.
	LookupsPerSecond float64
}

func (o Options) withDefaults() Options {
	setDefault(&o.DiscoveryInterval, 20*time.Second)
	setDefault(&o.QPS, 200)
	setDefault(&o.Burst, 400)
	setDefault(&o.Workers, 8)
	setDefault(&o.LookupsPerSecond, 5)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// lookupBurst is how many lookups are let through at once.
const lookupBurst = 20

// remembered bounds what the reconciler remembers of apps and pods.
const remembered = 65536

// Setup adds the controller, which runs on the leader, and what it knows of
// ExternalSecrets, which every replica's webhook may ask, to the manager.
func Setup(mgr manager.Manager, needs Dependencies, options Options) (*eso.ExternalSecrets, error) {
	options = options.withDefaults()
	restConfig := rest.CopyConfig(mgr.GetConfig())
	// One for all kinds: each client of a kind would make one of its own.
	restConfig.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(options.QPS, options.Burst)
	httpClient, err := rest.HTTPClientFor(restConfig)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of the API server: %w", err)
	}

	external, err := eso.New(mgr.GetLogger().WithName("external-secrets"), restConfig,
		cache.Options{HTTPClient: httpClient, Mapper: mgr.GetRESTMapper()}, needs.Settings, needs.Metrics, options.DiscoveryInterval)
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(external); err != nil {
		return nil, fmt.Errorf("cannot add the informers of ExternalSecrets: %w", err)
	}
	writer, err := client.New(restConfig, client.Options{HTTPClient: httpClient, Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of the API server: %w", err)
	}
	pods, err := newPodCache(restConfig, cache.Options{HTTPClient: httpClient, Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, err
	}
	r := newReconciler(writer, pods, mgr.GetEventRecorder(Name), external, needs, options)
	return external, r.addTo(mgr, pods)
}

func newReconciler(
	writer client.Client, pods client.Reader, recorder events.EventRecorder, external *eso.ExternalSecrets, needs Dependencies, options Options,
) *reconciler {
	return &reconciler{
		Dependencies: needs,
		options:      options,
		external:     external,
		ledger:       newLedger(needs.Metrics),
		pods:         pods,
		client:       writer,
		owners:       newOwners(writer),
		events:       newAnnouncer(recorder),
		applied:      utilcache.NewLRUExpireCache(remembered),
		idle:         utilcache.NewLRUExpireCache(remembered),
		checked:      utilcache.NewLRUExpireCache(remembered),
		settled:      utilcache.NewLRUExpireCache(remembered),
		lookups:      rate.NewLimiter(rate.Limit(options.LookupsPerSecond), lookupBurst),
	}
}

// addTo makes the reconciler a controller with its three sources: pods,
// Namespaces, and whatever external tells it of.
func (r *reconciler) addTo(mgr manager.Manager, pods cache.Cache) error {
	c, err := controller.New(Name, mgr, controller.Options{
		Reconciler:              r,
		MaxConcurrentReconciles: r.options.Workers,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, 5*time.Minute),
		ReconciliationTimeout:   time.Minute,
	})
	if err != nil {
		return fmt.Errorf("cannot make controller %q: %w", Name, err)
	}
	if err := c.Watch(newPodSource(pods)); err != nil {
		return fmt.Errorf("cannot watch pods: %w", err)
	}
	if err := c.Watch(newNamespaceSource(mgr.GetCache(), pods)); err != nil {
		return fmt.Errorf("cannot watch namespaces: %w", err)
	}
	if err := c.Watch(newESOSource(r.external, r.ledger, pods)); err != nil {
		return fmt.Errorf("cannot watch ExternalSecrets: %w", err)
	}
	return nil
}

func partialNamespace() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
}
