package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

var (
	_ manager.Runnable               = &Provided{}
	_ manager.LeaderElectionRunnable = &Provided{}
)

// Provided serves a certificate from files that something else renews. Add it
// to a manager, or run Start, to have renewed files read.
type Provided struct {
	files *certwatcher.CertWatcher
	clock clock.PassiveClock
}

// NewProvided reads the PEM files once, so that a wrong path or a key that
// does not belong to the certificate fails at start.
func NewProvided(certFile, keyFile string) (*Provided, error) {
	files, err := certwatcher.New(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot load certificate %q with key %q: %w", certFile, keyFile, err)
	}
	return &Provided{files: files, clock: clock.RealClock{}}, nil
}

// GetCertificate implements Source.
func (p *Provided) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return p.files.GetCertificate(hello)
}

// Ready implements Source. Whether the API server trusts the certificate is
// not known here: whoever provides it publishes its CA.
func (p *Provided) Ready(*http.Request) error {
	cert, err := p.files.GetCertificate(nil)
	if err != nil {
		return err
	}
	return checkValid(cert, p.clock.Now())
}

// NeedLeaderElection is false: every replica serves.
func (p *Provided) NeedLeaderElection() bool { return false }

// Start reads the files again when they change, until ctx is done. Files that
// cannot be read leave the certificate as it was.
func (p *Provided) Start(ctx context.Context) error {
	return p.files.Start(ctx)
}
