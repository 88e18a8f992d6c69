package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"
)

// policy decides what the Secret should hold. It is pure but for the keys it
// makes: what it must know comes in, so that every decision can be tested.
//
// A new CA comes in three steps, so that no handshake fails in between:
//
//  1. The new CA is put first among the trusted ones; what is served, and the
//     CA that signed it, stay.
//  2. Once the webhook configurations have carried both for the settle time,
//     the new CA signs a new serving certificate. The old CA stays trusted, as
//     some replicas serve its certificate for a moment more.
//  3. The next renewal, months later, leaves the old CA out.
type policy struct {
	hosts           []string
	commonName      string
	caLifetime      time.Duration
	servingLifetime time.Duration
	settle          time.Duration
	// jitter, between 0 and 1, puts this replica's renewals apart from the
	// others', so that one does it and the rest follow.
	jitter float64
}

// publication is a bundle that the webhook configurations carry.
type publication struct {
	bundle []byte
	since  time.Time
}

// next is what the Secret should hold, given what it holds and what this
// replica serves (nil if nothing). The reason is empty if nothing changes.
func (p policy) next(data map[string][]byte, served *state, pub publication, now time.Time) (_ *state, reason string, err error) {
	have, caErr, servingErr := decode(data, p.hosts, now)
	current := p.current(have, servingErr, served, now)
	switch {
	case caErr != nil:
		return p.replaceCA(current, caErr.Error(), now)
	case !now.Before(p.renewal(have.ca)):
		return p.replaceCA(current, "the CA is due for renewal", now)
	case servingErr != nil:
		return p.reissue(have.ca, current, servingErr.Error(), now)
	case !have.issuer().Equal(have.ca.Leaf):
		if !p.settled(have, pub, now) {
			return have, "", nil
		}
		return p.reissue(have.ca, current, "the new CA is trusted", now)
	case !now.Before(p.renewal(have.serving)):
		return p.reissue(have.ca, current, "the serving certificate is due for renewal", now)
	}
	return have, "", nil
}

// current is what clients are being served: what the Secret holds, else, where
// that is damaged, what is still in memory.
func (p policy) current(have *state, servingErr error, served *state, now time.Time) *state {
	if servingErr == nil {
		return have
	}
	if served != nil && served.usable(p.hosts, now) == nil {
		return served
	}
	return nil
}

// replaceCA makes a new CA. It leaves the certificate that is being served
// alone until the new CA has become known; where nothing is served there is no
// one to wait for.
func (p policy) replaceCA(current *state, reason string, now time.Time) (*state, string, error) {
	ca, err := newCA(p.commonName, p.caLifetime, now)
	if err != nil {
		return nil, "", err
	}
	if current != nil {
		return &state{ca: ca, trusted: trust(ca.Leaf, current.issuer()), serving: current.serving}, reason, nil
	}
	next, err := p.issue(ca, nil, now)
	if err != nil {
		return nil, "", err
	}
	return next, reason, nil
}

// reissue makes a new serving certificate. A CA that someone put there may be
// constrained to other names: issuing from it again would fail the same way,
// forever, so it is replaced too.
func (p policy) reissue(ca *tls.Certificate, current *state, reason string, now time.Time) (*state, string, error) {
	next, err := p.issue(ca, current, now)
	if err != nil {
		return p.replaceCA(current, fmt.Sprintf("%s cannot sign for this server: %s", caCertKey, err), now)
	}
	return next, reason, nil
}

// issue has ca sign a new serving certificate, and keeps the CA of the one it
// replaces trusted.
func (p policy) issue(ca *tls.Certificate, current *state, now time.Time) (*state, error) {
	serving, err := newServing(ca, p.hosts, p.servingLifetime, now)
	if err != nil {
		return nil, err
	}
	var previous *x509.Certificate
	if current != nil {
		previous = current.issuer()
	}
	next := &state{ca: ca, trusted: trust(ca.Leaf, previous), serving: serving}
	if err := next.usable(p.hosts, now); err != nil {
		return nil, fmt.Errorf("cannot verify new serving certificate: %w", err)
	}
	return next, nil
}

// settled says that every API server has had the time to see the bundle that a
// new serving certificate is going to be verified with.
func (p policy) settled(have *state, pub publication, now time.Time) bool {
	return bytes.Equal(pub.bundle, have.bundle()) && now.Sub(pub.since) >= p.settle
}

// renewal is when a third of the certificate's life is left, less the jitter.
func (p policy) renewal(cert *tls.Certificate) time.Time {
	life := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore)
	early := time.Duration(float64(life) * (1 + jitterShare*p.jitter) / 3)
	return cert.Leaf.NotAfter.Add(-early)
}

// jitterShare is how much earlier than the rest a replica renews at most, as
// a share of the time that a certificate has left then.
const jitterShare = 0.1

// wake is when the policy has to be asked again about a state it has just
// agreed to.
func (p policy) wake(s *state, pub publication) time.Time {
	at := p.renewal(s.ca)
	if due := p.renewal(s.serving); due.Before(at) {
		at = due
	}
	if s.issuer().Equal(s.ca.Leaf) {
		return at
	}
	if settled := pub.since.Add(p.settle); settled.Before(at) {
		at = settled
	}
	return at
}
