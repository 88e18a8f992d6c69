package integration

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"sync"
	"testing"
	"time"

	certutil "k8s.io/client-go/util/cert"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/envgraft/envgraft/certs"
)

// caller calls without a pause, and never across a step of the clock: an API
// server that were a whole step behind would not have seen the settle time.
type caller struct {
	clock *clocktesting.FakeClock
	mu    sync.RWMutex
	calls int
	err   error
}

func (c *caller) run(ctx context.Context, b *certsBench, replicas []*replica) {
	for ctx.Err() == nil {
		c.mu.RLock()
		err := b.call(ctx, replicas, c.clock.Now())
		c.mu.RUnlock()
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.calls++
		if c.err == nil && err != nil {
			c.err = fmt.Errorf("call %d: %w", c.calls, err)
		}
		c.mu.Unlock()
	}
}

func (c *caller) step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock.Step(d)
}

func (c *caller) result() (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.calls, c.err
}

func (b *certsBench) testRotation(t *testing.T) {
	const day = 24 * time.Hour
	b.configure(t)
	c := &caller{clock: clocktesting.NewFakeClock(time.Now())}
	replicas := b.replicas(t, certs.Options{
		CALifetime: 450 * day, ServingLifetime: 365 * day,
		Resync: time.Second, Clock: clock.Clock(c.clock), Jitter: new(0.0),
	})
	// The clock moves on as it would, so that what is tried again is.
	await := func(try func() error) {
		t.Helper()
		eventually(t, func() error {
			c.step(time.Second)
			return try()
		})
	}
	serial := ""
	awaitNewCertificate := func() {
		t.Helper()
		await(func() error {
			next, err := agreed(replicas, serial)
			if err == nil {
				serial = next
			}
			return err
		})
	}
	awaitNewCertificate()

	ctx, cancel := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	calling.Go(func() { c.run(ctx, b, replicas) })
	defer calling.Wait()
	defer cancel()

	first := b.bundle(t)
	c.step(244 * day) // Two thirds of 365 days.
	awaitNewCertificate()
	if !bytes.Equal(b.bundle(t), first) {
		t.Error("the renewal of the serving certificate changed the CA")
	}

	c.step(57 * day) // Day 301, past two thirds of 450.
	await(func() error {
		if n := len(parseBundle(t, b.bundle(t))); n != 2 {
			return fmt.Errorf("%d CAs are published, want the old and the new", n)
		}
		return nil
	})
	awaitNewCertificate()
	cert, err := replicas[0].GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.Leaf.CheckSignatureFrom(parseBundle(t, b.bundle(t))[0]); err != nil {
		t.Errorf("the new CA did not sign what is served: %v", err)
	}

	before, _ := c.result()
	await(func() error { // The caller has been through all of it.
		if calls, _ := c.result(); calls < before+3 {
			return fmt.Errorf("%d calls", calls)
		}
		return nil
	})
	calls, err := c.result()
	if err != nil {
		t.Errorf("of %d calls: %v", calls, err)
	}
	t.Logf("%d calls of all replicas", calls)
}

func (b *certsBench) bundle(t *testing.T) []byte {
	t.Helper()
	configuration, err := b.configuration(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return configuration.Webhooks[0].ClientConfig.CABundle
}

func parseBundle(t *testing.T, bundle []byte) []*x509.Certificate {
	t.Helper()
	cas, err := certutil.ParseCertsPEM(bundle)
	if err != nil {
		t.Fatal(err)
	}
	return cas
}
