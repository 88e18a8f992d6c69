package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// certManager plays cert-manager: it issues into a Secret, from which cainjector
// copies ca.crt to the webhook configuration and the kubelet tls.crt and tls.key to
// the replicas' files, each at a time of its own.
type certManager struct {
	t *testing.T
	// ca is nil where the serving certificate signs itself.
	ca                  *tls.Certificate
	caCrt, crt, key     []byte
	serial              int64
	bundle              []byte
	certFile, keyFile   string
	serving             *Provided
	handshakes, refused int
}

// issue signs a certificate with ca, or with its own key.
func (m *certManager) issue(template *x509.Certificate, key crypto.Signer, ca *tls.Certificate) *tls.Certificate {
	m.t.Helper()
	m.serial++
	template.SerialNumber = big.NewInt(m.serial)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(90*day)
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey.(crypto.Signer)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		m.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		m.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (m *certManager) newKey() crypto.Signer {
	m.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		m.t.Fatal(err)
	}
	return key
}

// renewCA keeps the key, as rotationPolicy: Never has it, and issues no serving
// certificate: cert-manager does not, either.
func (m *certManager) renewCA() {
	m.t.Helper()
	key := m.newKey()
	if m.ca != nil {
		key = m.ca.PrivateKey.(crypto.Signer)
	}
	m.ca = m.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "envgraft-ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, key, nil)
}

// renew writes a new serving certificate, with a new key, to the Secret.
func (m *certManager) renew() {
	m.t.Helper()
	leaf := m.issue(&x509.Certificate{
		DNSNames: testHosts, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, m.newKey(), m.ca)
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		m.t.Fatal(err)
	}
	m.crt = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})
	m.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	m.caCrt = m.crt
	if m.ca != nil {
		m.caCrt = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.ca.Certificate[0]})
	}
}

// inject is cainjector's part.
func (m *certManager) inject() { m.bundle = slices.Clone(m.caCrt) }

// mount is the kubelet's part, and the replica's.
func (m *certManager) mount() {
	m.t.Helper()
	for file, data := range map[string][]byte{m.certFile: m.crt, m.keyFile: m.key} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	if m.serving == nil {
		p, err := NewProvided(m.certFile, m.keyFile)
		if err != nil {
			m.t.Fatal(err)
		}
		m.serving = p
		return
	}
	if err := m.serving.files.ReadCertificate(); err != nil {
		m.t.Fatal(err)
	}
}

// review is a call of an API server, on a new connection.
func (m *certManager) review() {
	m.t.Helper()
	m.handshakes++
	if err := get(m.t, m.serving, m.bundle, testHosts[0]); err != nil {
		m.refused++
		m.t.Logf("review %d: %v", m.handshakes, err)
	}
}

// TestCertManagerRenewal renews under reviews, with the files ahead of the bundle
// and behind it. With the chart's chain no review fails; with a serving certificate
// that signs itself, which the chart had before, each renewal is an outage.
func TestCertManagerRenewal(t *testing.T) {
	type step = func(m *certManager)
	inject, mount := (*certManager).inject, (*certManager).mount
	renew, renewCA := (*certManager).renew, (*certManager).renewCA
	for name, tc := range map[string]struct {
		chain  bool
		steps  []step
		refuse bool
	}{
		"FilesFirst":            {true, []step{renew, mount, inject}, false},
		"BundleFirst":           {true, []step{renew, inject, mount}, false},
		"NewCA":                 {true, []step{renewCA, renew, mount, inject}, false},
		"NewCABundleFirst":      {true, []step{renewCA, renew, inject, mount}, false},
		"TwoRenewalsBehind":     {true, []step{renewCA, renew, inject, renewCA, renew, inject, mount}, false},
		"SelfSignedFilesFirst":  {false, []step{renew, mount, inject}, true},
		"SelfSignedBundleFirst": {false, []step{renew, inject, mount}, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m := &certManager{t: t, certFile: filepath.Join(dir, "tls.crt"), keyFile: filepath.Join(dir, "tls.key")}
			if tc.chain {
				m.renewCA()
			}
			m.renew()
			m.inject()
			m.mount()
			m.review()
			for _, step := range tc.steps {
				step(m)
				m.review()
			}
			if (m.refused > 0) != tc.refuse {
				t.Errorf("%d of %d reviews were refused, want some: %t", m.refused, m.handshakes, tc.refuse)
			}
			before := m.refused
			if m.review(); m.refused != before {
				t.Error("the last review is refused: the renewal did not end")
			}
		})
	}
}
