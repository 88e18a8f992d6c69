// Package leader runs a function on one replica at a time: on the replica that holds
// a Lease, for as long as it holds it.
package leader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/uuid"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Lease names the Lease object by which replicas elect their leader. The zero
// durations are those that Kubernetes' own components use.
type Lease struct {
	Namespace string
	Name      string
	// Duration is how long the others wait for a leader that fell silent.
	Duration time.Duration
	// RenewDeadline is how long a leader that cannot renew its lease goes on.
	RenewDeadline time.Duration
	RetryPeriod   time.Duration
}

func (l Lease) withDefaults() Lease {
	l.Duration = cmp.Or(l.Duration, 15*time.Second)
	l.RenewDeadline = cmp.Or(l.RenewDeadline, 10*time.Second)
	l.RetryPeriod = cmp.Or(l.RetryPeriod, 2*time.Second)
	return l
}

// Leader runs a function for as long as this replica holds the lease, and stands
// for election again when it has lost it. The manager of controller-runtime
// cannot do this: it ends the process when it loses its lease, and with it the
// reviews that the webhook is answering.
type Leader struct {
	log  logr.Logger
	lock resourcelock.Interface
	// lease is nil where there is no other replica.
	lease *Lease
	// elector is that of the current term.
	elector atomic.Pointer[leaderelection.LeaderElector]
	run     func(context.Context) error
}

// New makes a Leader that has run called in each term, with a context that is
// done when the term ends. Without a lease there is one term, which begins at once.
func New(config *rest.Config, lease *Lease, log logr.Logger, run func(context.Context) error) (*Leader, error) {
	l := &Leader{log: log, run: run}
	if lease == nil {
		return l, nil
	}
	settings := lease.withDefaults()
	l.lease = &settings
	// A client of its own: a controller that uses up its rate must not lose the
	// lease by it, nor may one request that hangs.
	config = rest.CopyConfig(config)
	config.Timeout = settings.RenewDeadline / 2
	client, err := coordinationv1.NewForConfig(rest.AddUserAgent(config, "leader-election"))
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of leases: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("cannot tell this replica from others: %w", err)
	}
	l.lock, err = resourcelock.New(resourcelock.LeasesResourceLock, settings.Namespace, settings.Name, nil, client,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())})
	if err != nil {
		return nil, fmt.Errorf("cannot stand for election: %w", err)
	}
	return l, nil
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: this is it.
func (*Leader) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (l *Leader) Start(ctx context.Context) error {
	if l.lease == nil {
		return l.run(ctx)
	}
	for ctx.Err() == nil {
		if err := l.term(ctx); err != nil {
			l.log.Error(err, "The controller stopped; this replica stands for election again")
		}
		select {
		case <-ctx.Done():
		case <-time.After(l.lease.RetryPeriod):
		}
	}
	return nil
}

// Elsewhere says that another replica holds the lease. One that died holds it
// until it is taken over.
func (l *Leader) Elsewhere() bool {
	elector := l.elector.Load()
	if elector == nil {
		return false
	}
	holder := elector.GetLeader()
	return holder != "" && holder != l.lock.Identity()
}

// term waits for the lease, and leads until it is lost, or ctx is done. The
// lease is given back when the controller has stopped, and not before.
func (l *Leader) term(ctx context.Context) error {
	standing, withdraw := context.WithCancel(context.WithoutCancel(ctx))
	defer withdraw()
	var leading atomic.Bool
	stopped := make(chan error, 1)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l.lock, Name: l.lease.Name, ReleaseOnCancel: true,
		LeaseDuration: l.lease.Duration, RenewDeadline: l.lease.RenewDeadline, RetryPeriod: l.lease.RetryPeriod,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(held context.Context) {
				leading.Store(true)
				term, stop := context.WithCancel(ctx)
				defer stop()
				defer context.AfterFunc(held, stop)()
				l.log.Info("Leading")
				stopped <- l.run(term)
				withdraw()
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return fmt.Errorf("cannot stand for election: %w", err)
	}
	l.elector.Store(elector)
	defer context.AfterFunc(ctx, func() {
		if !leading.Load() {
			withdraw()
		}
	})()
	elector.Run(standing)
	if !leading.Load() {
		return nil
	}
	err = <-stopped
	l.log.Info("Leading no more")
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
