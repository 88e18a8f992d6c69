package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// get asks a TLS server that serves from source, over a connection of its own.
func get(t *testing.T, source Source, caPEM []byte, host string) error {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{GetCertificate: source.GetCertificate}
	// httptest would add a certificate of its own if it were asked to StartTLS.
	server.Listener = tls.NewListener(server.Listener, server.TLS)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // Failed handshakes are what some tests are about.
	server.Start()
	defer server.Close()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(caPEM)
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: host})
	if err != nil {
		return err
	}
	return conn.Close()
}

func TestSelfSigned(t *testing.T) {
	s, err := NewSelfSigned("localhost", "127.0.0.1", "::1")
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := get(t, s, s.CAPEM(), host); err != nil {
			t.Errorf("as %q: %v", host, err)
		}
	}
	if get(t, s, s.CAPEM(), "example.com") == nil {
		t.Error("it passes for a name that it was not made for")
	}
	if err := s.Ready(nil); err != nil {
		t.Error(err)
	}
	s.clock = clocktesting.NewFakePassiveClock(time.Now().Add(366 * day))
	if s.Ready(nil) == nil {
		t.Error("ready after it expired")
	}
}

func TestProvided(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(now time.Time) (caPEM []byte) {
		s, data := fresh(t, testPolicy(), now)
		for file, key := range map[string]string{certFile: "tls.crt", keyFile: "tls.key"} {
			if err := os.WriteFile(file, data[key], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return s.bundle()
	}

	if _, err := NewProvided(certFile, keyFile); err == nil || !strings.Contains(err.Error(), certFile) {
		t.Errorf("error %v, want one that names the missing file", err)
	}
	caPEM := write(time.Now())
	p, err := NewProvided(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t, p, caPEM, testHosts[0]); err != nil {
		t.Error(err)
	}
	if err := p.Ready(nil); err != nil {
		t.Error(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- p.Start(ctx) }()
	before := served(t, p)
	expired := write(time.Now().Add(-91 * day))
	deadline := time.After(30 * time.Second)
	for ticker := time.NewTicker(20 * time.Millisecond); served(t, p) == before; {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("certificate %s is still served", before)
		}
	}
	if err := p.Ready(nil); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Ready: %v, want that it expired", err)
	}
	if get(t, p, expired, testHosts[0]) == nil {
		t.Error("an expired certificate passes")
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Errorf("Start: %v", err)
	}
}
