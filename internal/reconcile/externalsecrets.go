package reconcile

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// ExternalSecrets knows, on every replica, whether ESO is installed and how
// each ExternalSecret fares. CRDs that arrive late, go, or change their served
// version are noticed without a restart.
type ExternalSecrets struct {
	log        logr.Logger
	discoverer discovery.ServerResourcesInterface
	interval   time.Duration
	restConfig *rest.Config
	cache      cache.Options
	settings   func(environment string) config.ExternalSecretSettings
	ledger     *ledger

	// current is nil until the first discovery succeeded: not to know is not
	// the same as not to be installed.
	current atomic.Pointer[installation]
	// listener is the controller, where this replica leads.
	listener atomic.Pointer[listener]
}

// listener takes apps to reconcile.
type listener struct {
	add func(client.ObjectKey)
	all func()
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (x *ExternalSecrets) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable: it looks for ESO until the end.
func (x *ExternalSecrets) Start(ctx context.Context) error {
	wait.UntilWithContext(ctx, x.check, x.interval)
	return nil
}

func (x *ExternalSecrets) check(ctx context.Context) {
	found, err := discover(x.discoverer)
	if err != nil {
		x.log.Error(err, "Cannot tell whether the External Secrets Operator is installed")
		return
	}
	last := x.current.Load()
	if last != nil && last.version == found.version && maps.Equal(last.stores, found.stores) {
		return
	}
	next := &installation{}
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
	x.ledger.metrics.SetESOInstalled(next.installed())
	if last != nil && last.stop != nil {
		last.stop()
	}
	x.everything()
}

// State says what is known of the ExternalSecret of a pod that is being
// admitted. The question it returns is for an answer that is younger than the
// Secret: a pod that Reloader made because of a refresh must not be grafted by
// older keys, some of which may be gone.
func (x *ExternalSecrets) State(ctx context.Context, namespace string, d graft.Decision) facts.State {
	if d.Status != graft.StatusInjected || !d.Settings.Secrets {
		return facts.State{}
	}
	wants := wantsOf(d, x.settings(d.Identity.Environment))
	state := facts.State{Question: wants.question(namespace, time.Time{})}
	i := x.current.Load()
	if i == nil {
		return state
	}
	e, err := i.find(ctx, namespace, d.Identity.ExternalSecret, wants.Secret)
	if err != nil {
		x.log.Error(err, "Cannot tell how an ExternalSecret fares", "namespace", namespace, "externalSecret", d.Identity.ExternalSecret)
		return state
	}
	state.Problem = i.examine(ctx, namespace, d.Identity, storeRef{Kind: wants.Store.Kind, Name: wants.Store.Name}, e, time.Now()).Message
	if e != nil && e.target() == wants.Secret {
		state.Question.FreshAfter = e.refreshed()
	}
	return state
}

// find returns the ExternalSecret that fills the Secret, whatever its name,
// else the one of that name; nil where there is neither.
func (i *installation) find(ctx context.Context, namespace, name, secret string) (*externalSecret, error) {
	if !i.installed() {
		return nil, nil
	}
	e, err := i.get(ctx, namespace, name)
	if err != nil || e != nil && e.target() == secret {
		return e, err
	}
	other, err := i.filling(ctx, namespace, secret, name)
	if err != nil || other != nil {
		return other, err
	}
	return e, nil
}

// source feeds the controller from informers that come and go.
func (x *ExternalSecrets) source(pods client.Reader) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		x.listener.Store(&listener{
			add: func(app client.ObjectKey) { queue.Add(reconcile.Request{NamespacedName: app}) },
			all: func() {
				apps, err := appsOf(ctx, pods, "")
				if _, early := errors.AsType[*cache.ErrCacheNotStarted](err); early {
					return // its start lists all pods
				}
				if err != nil {
					x.log.Error(err, "Cannot reconcile all apps")
				}
				for _, app := range apps {
					queue.Add(app)
				}
			},
		})
		return nil
	})
}

func (x *ExternalSecrets) everything() {
	if l := x.listener.Load(); l != nil {
		l.all()
	}
}

func (x *ExternalSecrets) handlers() eventHandlers {
	return eventHandlers{
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
					x.everything()
				}
			},
			DeleteFunc: func(any) { x.everything() },
		},
	}
}

func moved(last, next any) bool {
	a, ok := last.(*externalSecret)
	b, ok2 := next.(*externalSecret)
	return ok && ok2 && a.target() != b.target()
}

// changed has the apps reconciled that an ExternalSecret concerns.
func (x *ExternalSecrets) changed(object any) {
	l := x.listener.Load()
	if l == nil {
		return
	}
	if gone, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	e, ok := object.(*externalSecret)
	if !ok {
		return
	}
	if app := e.Labels[api.LabelApp]; app != "" {
		l.add(client.ObjectKey{Namespace: e.Namespace, Name: app})
	}
	for _, app := range x.ledger.appsUsing(kindExternalSecret, e.Namespace, e.Name) {
		l.add(app)
	}
	for _, app := range x.ledger.appsUsing(kindSecret, e.Namespace, e.target()) {
		l.add(app)
	}
}
