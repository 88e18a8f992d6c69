package eso

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/metrics"
)

// ExternalSecrets knows, on every replica, whether ESO is installed, and the
// state of each ExternalSecret. CRDs that arrive late, go, or change their served
// version are noticed without a restart.
type ExternalSecrets struct {
	// MaxPerNamespace is the most that are made in a namespace; 0 is as many as
	// are asked for. It is set before Start.
	MaxPerNamespace int

	log        logr.Logger
	discoverer discoverer
	interval   time.Duration
	restConfig *rest.Config
	cache      cache.Options
	settings   externalsecret.Settings
	stores     StoreReader
	permits    *permits
	metrics    Recorder

	// current is nil until the first discovery succeeded: not to know is not
	// the same as not to be installed.
	current atomic.Pointer[Installation]
	// listener is the controller, where this replica leads.
	listener atomic.Pointer[Listener]
	// elsewhere is nil where no other replica could lead.
	elsewhere atomic.Pointer[LeadsElsewhere]
	waiters   waiters
}

// Recorder is told whether ESO is installed.
type Recorder interface {
	SetESOInstalled(installed bool)
	// SetESOHeld says how many objects are held, and ResetESOHeld that none is.
	SetESOHeld(resource metrics.Held, objects, bytes int)
	ResetESOHeld()
}

// discoverer tells what an API server serves.
type discoverer interface {
	ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (*metav1.APIResourceList, error)
}

// Listener is told what changed.
type Listener struct {
	// Changed is called with an ExternalSecret that came, changed or went.
	Changed func(*externalsecret.ExternalSecret)
	// All is called when the change may concern every ExternalSecret.
	All func()
}

// New makes what a replica knows of ExternalSecrets; Start fills it.
func New(
	log logr.Logger, restConfig *rest.Config, options cache.Options, settings externalsecret.Settings, stores StoreReader, tenancy Tenancy,
	m Recorder, interval time.Duration,
) (*ExternalSecrets, error) {
	discoverer, err := discovery.NewDiscoveryClientForConfigAndClient(restConfig, options.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("cannot make a discovery client: %w", err)
	}
	return &ExternalSecrets{
		log: log, discoverer: discoverer, interval: interval, restConfig: restConfig, cache: options, settings: settings, stores: stores,
		permits: newPermits(tenancy), metrics: m,
	}, nil
}

// Listen has the controller told of changes until ctx is done, for as long as
// this replica leads.
func (x *ExternalSecrets) Listen(ctx context.Context, l Listener) {
	x.listener.Store(&l)
	context.AfterFunc(ctx, func() { x.listener.CompareAndSwap(&l, nil) })
}

// Current is ESO as it is installed; nil until that is known.
func (x *ExternalSecrets) Current() *Installation { return x.current.Load() }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (x *ExternalSecrets) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable: it looks for ESO until the end.
func (x *ExternalSecrets) Start(ctx context.Context) error {
	wait.UntilWithContext(ctx, x.check, x.interval)
	return nil
}

func (x *ExternalSecrets) check(ctx context.Context) {
	found, err := discover(ctx, x.discoverer)
	if err != nil {
		x.log.Error(err, "Cannot tell whether the External Secrets Operator is installed")
		return
	}
	last := x.current.Load()
	if last != nil && last.Version == found.version && maps.Equal(last.stores, found.stores) {
		return
	}
	next := &Installation{}
	if found.version == "" {
		x.log.Info("External Secrets Operator is not installed")
	} else {
		next, err = newInstallation(ctx, x.restConfig, x.cache, found, x.handlers())
		if err != nil {
			x.log.Error(err, "Cannot watch ExternalSecrets", "version", found.version)
			return
		}
		x.log.Info("External Secrets Operator is installed", "version", found.version)
	}
	x.current.Store(next)
	x.metrics.SetESOInstalled(next.Installed())
	if last != nil && last.stop != nil {
		last.stop()
	}
	if !next.Installed() {
		x.metrics.ResetESOHeld()
	}
	everything(x)
}

func everything(x *ExternalSecrets) {
	if l := x.listener.Load(); l != nil {
		l.All()
	}
}

func (x *ExternalSecrets) handlers() eventHandlers {
	return eventHandlers{
		held: newHeld(x.metrics.SetESOHeld),
		externalSecret: toolscache.ResourceEventHandlerFuncs{
			AddFunc: x.changed,
			UpdateFunc: func(last, next any) {
				x.changed(next)
				if moved(last, next) {
					x.changed(last) // those who used its former target
				}
			},
			DeleteFunc: x.changed,
		},
		store: toolscache.ResourceEventHandlerDetailedFuncs{
			AddFunc: func(_ any, isInInitialList bool) {
				if !isInInitialList {
					everything(x)
				}
			},
			DeleteFunc: func(any) { everything(x) },
		},
	}
}

func moved(last, next any) bool {
	a, ok := last.(*externalsecret.ExternalSecret)
	b, ok2 := next.(*externalsecret.ExternalSecret)
	return ok && ok2 && a.SecretName() != b.SecretName()
}

func (x *ExternalSecrets) changed(object any) {
	e, ok := gone(object).(*externalsecret.ExternalSecret)
	if !ok {
		return
	}
	x.waiters.wake(e.Namespace)
	if l := x.listener.Load(); l != nil {
		l.Changed(e)
	}
}
