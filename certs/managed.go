package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

var (
	_ manager.Runnable               = &Managed{}
	_ manager.LeaderElectionRunnable = &Managed{}
)

// Managed serves a certificate of its own CA, kept in a Secret that all
// replicas share. Make one with NewManaged and add it to a manager.
type Managed struct {
	client kubernetes.Interface
	target Target
	policy policy
	clock  clock.Clock
	resync time.Duration
	// writes bounds what this replica writes while something else keeps
	// undoing it, such as a release with another service name during a
	// roll-out, or a GitOps tool that owns the Secret.
	writes *rate.Limiter

	// served and published belong to the goroutine that runs Start.
	served    *state
	published publication

	// status is what the server's goroutines see.
	status atomic.Pointer[status]
}

// status is swapped as a whole, so that a handshake sees a certificate with
// its own key or none.
type status struct {
	cert *tls.Certificate
	// unpublished says why the API server cannot be trusting cert, if so.
	unpublished error
}

// NewManaged needs a client that reads from the API server, not from a cache:
// a cache would watch every Secret, and be late when replicas start at once.
func NewManaged(client kubernetes.Interface, target Target, opts Options) (*Managed, error) {
	opts = opts.withDefaults()
	if err := errors.Join(target.validate(), opts.validate()); err != nil {
		return nil, err
	}
	m := &Managed{
		client: client,
		target: target,
		policy: policy{
			hosts:           target.hosts(),
			commonName:      "envgraft-ca",
			caLifetime:      opts.CALifetime,
			servingLifetime: opts.ServingLifetime,
			settle:          opts.Settle,
			jitter:          *opts.Jitter,
		},
		clock:  opts.Clock,
		resync: opts.Resync,
		writes: rate.NewLimiter(rate.Every(5*time.Second), 10),
	}
	m.status.Store(&status{unpublished: errors.New("the CA has not been published yet")})
	return m, nil
}

// GetCertificate implements Source.
func (m *Managed) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert := m.status.Load().cert
	if cert == nil {
		return nil, errNoCertificate
	}
	return cert, nil
}

// Ready implements Source.
func (m *Managed) Ready(*http.Request) error {
	s := m.status.Load()
	if err := checkValid(s.cert, m.clock.Now()); err != nil {
		return err
	}
	return s.unpublished
}

// NeedLeaderElection is false: a replica that leads nothing serves all the same.
func (m *Managed) NeedLeaderElection() bool { return false }

// Start keeps the certificate until ctx is done. It never gives up: while the
// API server cannot be reached, what is in memory is served.
func (m *Managed) Start(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	var watches sync.WaitGroup
	defer watches.Wait()
	m.watch(ctx, &watches, changed)

	retries := newRetries()
	for {
		next, err := m.reconcile(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			next = retries.Step()
			log.FromContext(ctx).Error(err, "cannot keep the serving certificate, will retry", "after", next.String())
		default:
			retries = newRetries()
		}
		timer := m.clock.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// newRetries starts fast, as a fresh install waits for it, and ends slow.
func newRetries() *wait.Backoff {
	return &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.2, Steps: 20, Cap: 30 * time.Second}
}

// reconcileTimeout keeps a call that hangs from stopping renewals for good.
const reconcileTimeout = 20 * time.Second

// reconcile brings Secret, webhook configurations and memory in line, in this
// order, and says when to come back. It looks at everything each time, so it
// does not matter which change it was called for, or whether one was missed.
func (m *Managed) reconcile(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, reconcileTimeout)
	defer cancel()

	want, err := m.ensureSecret(ctx)
	if err != nil {
		return 0, err
	}
	// Clients learn a CA before they meet its certificate. Only where what is
	// served fails them anyhow, nothing is lost by serving first: then a
	// configuration that cannot be read now, but has the CA since earlier, is
	// no outage.
	if m.served == nil || m.served.usable(m.policy.hosts, m.clock.Now()) != nil {
		m.serve(want)
	}
	if err := m.publish(ctx, want.bundle()); err != nil {
		return 0, err
	}
	m.serve(want)
	return m.wait(want), nil
}

// serve swaps the certificate of the handshakes to come.
func (m *Managed) serve(s *state) {
	m.served = s
	m.status.Store(&status{cert: s.serving, unpublished: m.status.Load().unpublished})
}

// setUnpublished changes what Ready says; nil is good.
func (m *Managed) setUnpublished(err error) {
	m.status.Store(&status{cert: m.status.Load().cert, unpublished: err})
}

// wait is the time until something is due, bounded: a watch can go deaf, and
// a timer stands still while a machine sleeps.
func (m *Managed) wait(s *state) time.Duration {
	due := m.policy.wake(s, m.published).Sub(m.clock.Now())
	return min(max(due, time.Second), m.resync)
}

// allowWrite fails when something keeps undoing what is written.
func (m *Managed) allowWrite() error {
	if m.writes.AllowN(m.clock.Now(), 1) {
		return nil
	}
	return errors.New("something else keeps changing it, waiting before the next write")
}
