package certs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Source is where a TLS server gets its certificate from.
type Source interface {
	// GetCertificate is for tls.Config. It fails while there is none yet.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Ready is nil while handshakes succeed: the certificate is valid now and,
	// where it is ours to publish its CA, the CA is published.
	// Its signature is that of controller-runtime's healthz.Checker.
	Ready(*http.Request) error
}

var (
	_ Source = &Managed{}
	_ Source = &Provided{}
	_ Source = &SelfSigned{}
)

var errNoCertificate = errors.New("there is no serving certificate yet")

// checkValid says why a client whose clock shows now would turn the certificate
// down, whatever CA it trusts.
func checkValid(cert *tls.Certificate, now time.Time) error {
	switch {
	case cert == nil || cert.Leaf == nil:
		return errNoCertificate
	case now.Before(cert.Leaf.NotBefore):
		return fmt.Errorf("the serving certificate is not valid before %s", cert.Leaf.NotBefore.Format(time.RFC3339))
	case now.After(cert.Leaf.NotAfter):
		return fmt.Errorf("the serving certificate expired at %s", cert.Leaf.NotAfter.Format(time.RFC3339))
	}
	return nil
}
