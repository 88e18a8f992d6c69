package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Keys of the Secret, besides Kubernetes' own tls.crt and tls.key.
const (
	// caCertKey holds every CA to trust, the one that ca.key belongs to first.
	caCertKey = "ca.crt"
	caKeyKey  = "ca.key"
)

// state is one usable set of certificates, as the Secret holds it.
type state struct {
	// ca signs the next serving certificate.
	ca *tls.Certificate
	// trusted are the CAs that clients must know: ca first, then the one that
	// signed what is or was just served, where that is another.
	trusted []*x509.Certificate
	// serving is verified against trusted.
	serving *tls.Certificate
}

// data renders the state for the Secret.
func (s *state) data() (map[string][]byte, error) {
	caKey, err := keyutil.MarshalPrivateKeyToPEM(s.ca.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the CA's key: %w", err)
	}
	servingKey, err := keyutil.MarshalPrivateKeyToPEM(s.serving.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the serving certificate's key: %w", err)
	}
	return map[string][]byte{
		caCertKey:               s.bundle(),
		caKeyKey:                caKey,
		corev1.TLSCertKey:       encodeChain(s.serving.Certificate),
		corev1.TLSPrivateKeyKey: servingKey,
	}, nil
}

// bundle renders what clients must trust. It is encoded again and never copied
// from the Secret: the API server refuses a webhook configuration whose bundle
// has anything but certificates in it.
func (s *state) bundle() []byte {
	chain := make([][]byte, 0, len(s.trusted))
	for _, ca := range s.trusted {
		chain = append(chain, ca.Raw)
	}
	return encodeChain(chain)
}

// usable is nil if a client that trusts the bundle gets through at now by each
// of the hosts' names.
func (s *state) usable(hosts []string, now time.Time) error {
	if s.issuer() == nil {
		// Go would accept a certificate that stands among the CAs itself. Others
		// do not, and nothing could be trusted in its place when it is renewed.
		return errors.New("no CA in " + caCertKey + " signed it")
	}
	roots := x509.NewCertPool()
	for _, ca := range s.trusted {
		roots.AddCert(ca)
	}
	for _, host := range hosts {
		_, err := s.serving.Leaf.Verify(x509.VerifyOptions{
			DNSName:     host,
			Roots:       roots,
			CurrentTime: now,
			KeyUsages:   []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// issuer finds the trusted CA that signed the serving certificate.
func (s *state) issuer() *x509.Certificate {
	for _, ca := range s.trusted {
		if s.serving.Leaf.CheckSignatureFrom(ca) == nil {
			return ca
		}
	}
	return nil
}

// decode reads what it can of the Secret. Each half has its own error, so that
// damage to the serving certificate does not cost the CA, nor the reverse.
func decode(data map[string][]byte, hosts []string, now time.Time) (s *state, caErr, servingErr error) {
	s = &state{}
	if s.trusted, caErr = decodeTrusted(data); caErr == nil {
		s.ca, caErr = decodePair(data, caCertKey, caKeyKey)
	}
	if caErr == nil {
		caErr = checkCA(s.ca.Leaf, now)
	}
	if s.serving, servingErr = decodePair(data, corev1.TLSCertKey, corev1.TLSPrivateKeyKey); servingErr != nil {
		return s, caErr, servingErr
	}
	if err := s.usable(hosts, now); err != nil {
		return s, caErr, fmt.Errorf("%s: %w", corev1.TLSCertKey, err)
	}
	return s, caErr, nil
}

func decodeTrusted(data map[string][]byte) ([]*x509.Certificate, error) {
	if len(data[caCertKey]) == 0 {
		return nil, fmt.Errorf("%s is missing", caCertKey)
	}
	trusted, err := certutil.ParseCertsPEM(data[caCertKey])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", caCertKey, err)
	}
	return trusted, nil
}

// decodePair names the key at fault and quotes nothing of its value.
func decodePair(data map[string][]byte, certKey, keyKey string) (*tls.Certificate, error) {
	for _, key := range []string{certKey, keyKey} {
		if len(data[key]) == 0 {
			return nil, fmt.Errorf("%s is missing", key)
		}
	}
	pair, err := tls.X509KeyPair(data[certKey], data[keyKey])
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certKey, keyKey, err)
	}
	return &pair, nil
}

func checkCA(ca *x509.Certificate, now time.Time) error {
	switch {
	case !ca.IsCA || ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New(caCertKey + " is not a CA's certificate")
	case now.Before(ca.NotBefore):
		return fmt.Errorf("%s is not valid before %s", caCertKey, ca.NotBefore.Format(time.RFC3339))
	case now.After(ca.NotAfter):
		return fmt.Errorf("%s expired at %s", caCertKey, ca.NotAfter.Format(time.RFC3339))
	}
	return nil
}

func encodeChain(chain [][]byte) []byte {
	var out bytes.Buffer
	for _, der := range chain {
		// Writing to memory cannot fail, and a block without headers is valid.
		out.Write(pem.EncodeToMemory(&pem.Block{Type: certutil.CertificateBlockType, Bytes: der}))
	}
	return out.Bytes()
}

// trust lists the CAs, each once, in order.
func trust(cas ...*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, ca := range cas {
		if ca != nil && !slices.ContainsFunc(out, ca.Equal) {
			out = append(out, ca)
		}
	}
	return out
}
