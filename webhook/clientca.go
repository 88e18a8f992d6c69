package webhook

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// The rule: with a CA for clients, reviews are taken from nobody else. A
// handshake without a certificate is let through, for probes; the review path
// refuses it before it reads anything.

// caAge is how old what was read of the file may be.
const caAge = 10 * time.Second

// clientCA are the certificates that sign those of API servers. The file is
// read again when it changes: a Secret that is mounted is replaced in place.
type clientCA struct {
	file string
	log  logr.Logger

	mu   sync.Mutex
	pool *x509.CertPool
	read time.Time
}

func newClientCA(file string, log logr.Logger) (*clientCA, error) {
	pool, err := readCertificates(file)
	if err != nil {
		return nil, fmt.Errorf("cannot use server.clientCA: %w", err)
	}
	return &clientCA{file: file, log: log, pool: pool, read: time.Now()}, nil
}

func readCertificates(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// current returns the certificates. A file that cannot be read leaves those
// that were: API servers would be shut out otherwise.
func (c *clientCA) current() *x509.CertPool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.read) > caAge {
		c.read = now
		pool, err := readCertificates(c.file)
		if err != nil {
			c.log.Error(err, "Cannot read the CA of clients again", "file", c.file)
		} else {
			c.pool = pool
		}
	}
	return c.pool
}

// verify has a server check the certificates that clients present.
func (c *clientCA) verify(config *tls.Config) {
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.ClientCAs = c.current()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		fresh := config.Clone()
		fresh.GetConfigForClient = nil
		fresh.ClientCAs = c.current()
		return fresh, nil
	}
}
