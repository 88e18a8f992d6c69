package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// backdate lets a client whose clock is behind ours accept a certificate that
// was issued a moment ago.
const backdate = time.Hour

// newCA makes a certificate authority that can sign serving certificates and
// nothing below another CA.
func newCA(commonName string, lifetime time.Duration, now time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	ca, err := sign(template, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot issue CA %q: %w", commonName, err)
	}
	return ca, nil
}

// newServing has ca issue a certificate for a server known by hosts, which are
// DNS names or IP addresses. It does not outlive ca: a chain is only as valid
// as its shortest part, and an honest NotAfter has it renewed in time.
func newServing(ca *tls.Certificate, hosts []string, lifetime time.Duration, now time.Time) (*tls.Certificate, error) {
	notAfter := now.Add(lifetime)
	if notAfter.After(ca.Leaf.NotAfter) {
		notAfter = ca.Leaf.NotAfter
	}
	template := &x509.Certificate{
		// No subject: the names are in the SANs, and a service's DNS name can
		// be longer than the 64 characters that a common name may have.
		NotBefore:             now.Add(-backdate),
		NotAfter:              notAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
			continue
		}
		template.DNSNames = append(template.DNSNames, host)
	}
	serving, err := sign(template, ca)
	if err != nil {
		return nil, fmt.Errorf("cannot issue serving certificate for %q: %w", hosts, err)
	}
	return serving, nil
}

// sign completes the template with a new key and serial number. Without a
// parent it signs itself.
func sign(template *x509.Certificate, parent *tls.Certificate) (*tls.Certificate, error) {
	// P-256 and not RSA: two RSA keys can take seconds of a container that is
	// limited to a tenth of a CPU, at the very start when readiness counts.
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	// Random, so that no two certificates of one issuer share a number, which
	// RFC 5280 forbids: nothing counts them, and replicas may issue at once.
	template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	if parent == nil {
		parent = &tls.Certificate{Leaf: template, PrivateKey: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.Leaf, key.Public(), parent.PrivateKey)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
