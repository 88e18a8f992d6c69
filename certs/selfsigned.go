package certs

import (
	"crypto/tls"
	"net/http"
	"time"

	"k8s.io/utils/clock"
)

// selfSignedLifetime is long for a process that someone runs by hand, and
// short enough for clients that refuse long-lived certificates.
const selfSignedLifetime = 365 * 24 * time.Hour

// SelfSigned serves a certificate that was made in memory. It is valid for a
// year, and issued again at the next start.
type SelfSigned struct {
	cert  *tls.Certificate
	caPEM []byte
	clock clock.PassiveClock
}

// NewSelfSigned makes a certificate for the hosts, DNS names or IP addresses,
// and a CA of its own for it. Nobody keeps the CA's key.
func NewSelfSigned(hosts ...string) (*SelfSigned, error) {
	now := time.Now()
	ca, err := newCA("envgraft-standalone-ca", selfSignedLifetime, now)
	if err != nil {
		return nil, err
	}
	cert, err := newServing(ca, hosts, selfSignedLifetime, now)
	if err != nil {
		return nil, err
	}
	return &SelfSigned{cert: cert, caPEM: encodeChain(ca.Certificate), clock: clock.RealClock{}}, nil
}

// CAPEM is what a client must trust, such as in a file for curl's --cacert.
func (s *SelfSigned) CAPEM() []byte { return s.caPEM }

// GetCertificate implements Source.
func (s *SelfSigned) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.cert, nil
}

// Ready implements Source.
func (s *SelfSigned) Ready(*http.Request) error {
	return checkValid(s.cert, s.clock.Now())
}
