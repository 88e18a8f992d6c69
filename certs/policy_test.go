package certs

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const day = 24 * time.Hour

var (
	epoch     = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	testHosts = []string{"hook.ns.svc", "hook.ns.svc.cluster.local", "hook.ns"}
)

func testPolicy() policy {
	return policy{
		hosts:           testHosts,
		commonName:      "test-ca",
		caLifetime:      3650 * day,
		servingLifetime: 90 * day,
		settle:          time.Minute,
	}
}

// fresh is what the policy makes of an empty Secret.
func fresh(t *testing.T, p policy, now time.Time) (*state, map[string][]byte) {
	t.Helper()
	s, reason, err := p.next(nil, nil, publication{}, now)
	if err != nil || reason == "" {
		t.Fatalf("next() of nothing: reason %q, error %v", reason, err)
	}
	return s, encoded(t, s)
}

func encoded(t *testing.T, s *state) map[string][]byte {
	t.Helper()
	data, err := s.data()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPolicyNext(t *testing.T) {
	p := testPolicy()
	base, data := fresh(t, p, epoch)
	_, other := fresh(t, p, epoch)

	otherHosts := p
	otherHosts.hosts = []string{"other.ns.svc"}
	renamed, err := otherHosts.issue(base.ca, nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	misnamed := encoded(t, renamed)

	with := func(changes map[string][]byte) map[string][]byte {
		out := maps.Clone(data)
		maps.Copy(out, changes)
		return out
	}

	type want struct {
		reason     string // a part of it; empty for no change
		newCA      bool
		newServing bool
		trusted    int
	}
	for _, tc := range []struct {
		reason string
		data   map[string][]byte
		served *state
		now    time.Time
		want   want
	}{
		{
			reason: "what is good stays as it is",
			data:   data, now: epoch.Add(day), want: want{trusted: 1},
		},
		{
			reason: "an empty Secret, such as a chart may make, is filled",
			data:   map[string][]byte{}, now: epoch, want: want{reason: "ca.crt is missing", newCA: true, newServing: true, trusted: 1},
		},
		{
			reason: "garbage for a serving certificate does not cost the CA",
			data:   with(map[string][]byte{corev1.TLSCertKey: []byte("garbage")}), now: epoch,
			want: want{reason: "tls.crt and tls.key", newServing: true, trusted: 1},
		},
		{
			reason: "a missing key is named",
			data:   with(map[string][]byte{corev1.TLSPrivateKeyKey: nil}), now: epoch,
			want: want{reason: "tls.key is missing", newServing: true, trusted: 1},
		},
		{
			reason: "a key of another certificate does not pass",
			data:   with(map[string][]byte{corev1.TLSPrivateKeyKey: other[corev1.TLSPrivateKeyKey]}), now: epoch,
			want: want{reason: "private key does not match", newServing: true, trusted: 1},
		},
		{
			reason: "a pair that another CA signed does not pass",
			data: with(map[string][]byte{
				corev1.TLSCertKey:       other[corev1.TLSCertKey],
				corev1.TLSPrivateKeyKey: other[corev1.TLSPrivateKeyKey],
			}), now: epoch,
			want: want{reason: "no CA in ca.crt signed it", newServing: true, trusted: 1},
		},
		{
			reason: "a certificate for another Service is replaced under the CA that is there",
			data:   misnamed, now: epoch, want: want{reason: "not hook.ns.svc", newServing: true, trusted: 1},
		},
		{
			reason: "an expired serving certificate is replaced",
			data:   data, now: epoch.Add(91 * day), want: want{reason: "expired", newServing: true, trusted: 1},
		},
		{
			reason: "everything expired is issued again",
			data:   data, now: epoch.Add(3651 * day), want: want{reason: "ca.crt expired at 2039", newCA: true, newServing: true, trusted: 1},
		},
		{
			reason: "a serving certificate with a third of its life left is renewed",
			data:   data, now: epoch.Add(60 * day), want: want{reason: "due for renewal", newServing: true, trusted: 1},
		},
		{
			reason: "one with more left is not",
			data:   data, now: epoch.Add(59 * day), want: want{trusted: 1},
		},
		{
			reason: "a lost CA key: what is served stays until the new CA is known",
			data:   with(map[string][]byte{caKeyKey: nil}), now: epoch, want: want{reason: "ca.key is missing", newCA: true, trusted: 2},
		},
		{
			reason: "garbage for a CA, nothing in memory: nobody could verify what is served, so all is new",
			data:   with(map[string][]byte{caCertKey: []byte("garbage")}), now: epoch,
			want: want{reason: "ca.crt: ", newCA: true, newServing: true, trusted: 1},
		},
		{
			reason: "garbage for a CA while this replica serves: its certificate bridges the change",
			data:   with(map[string][]byte{caCertKey: []byte("garbage")}), served: base, now: epoch,
			want: want{reason: "ca.crt: ", newCA: true, trusted: 2},
		},
		{
			reason: "a deleted Secret is how people rotate: new CA, no gap",
			data:   nil, served: base, now: epoch, want: want{reason: "ca.crt is missing", newCA: true, trusted: 2},
		},
		{
			reason: "a serving certificate in the place of the CA's",
			data: with(map[string][]byte{
				caCertKey: data[corev1.TLSCertKey], caKeyKey: data[corev1.TLSPrivateKeyKey],
			}), now: epoch,
			want: want{reason: "not a CA's certificate", newCA: true, newServing: true, trusted: 1},
		},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			got, reason, err := p.next(tc.data, tc.served, publication{}, tc.now)
			if err != nil {
				t.Fatal(err)
			}
			if (reason == "") != (tc.want.reason == "") || !strings.Contains(reason, tc.want.reason) {
				t.Errorf("reason %q, want one with %q", reason, tc.want.reason)
			}
			if newCA := !got.ca.Leaf.Equal(base.ca.Leaf); newCA != tc.want.newCA {
				t.Errorf("new CA: %t, want %t", newCA, tc.want.newCA)
			}
			if newServing := !got.serving.Leaf.Equal(base.serving.Leaf); newServing != tc.want.newServing {
				t.Errorf("new serving certificate: %t, want %t", newServing, tc.want.newServing)
			}
			assertSound(t, p, got, tc.want.trusted, tc.now)
		})
	}
}

// assertSound holds of every state that the policy returns.
func assertSound(t *testing.T, p policy, s *state, trusted int, now time.Time) {
	t.Helper()
	if len(s.trusted) != trusted {
		t.Errorf("%d trusted CAs, want %d", len(s.trusted), trusted)
	}
	if err := s.usable(p.hosts, now); err != nil {
		t.Errorf("clients are turned away: %v", err)
	}
	if !s.trusted[0].Equal(s.ca.Leaf) {
		t.Error("the CA that signs is not the first of the trusted ones, where ca.key is looked for")
	}
	again, caErr, servingErr := decode(encoded(t, s), p.hosts, now)
	if caErr != nil || servingErr != nil {
		t.Errorf("cannot read back what was written: CA: %v, serving: %v", caErr, servingErr)
		return
	}
	if !again.serving.Leaf.Equal(s.serving.Leaf) || !again.ca.Leaf.Equal(s.ca.Leaf) {
		t.Error("reading back what was written gives other certificates")
	}
}

func TestPolicyWaitsForTheNewCAToSettle(t *testing.T) {
	p := testPolicy()
	p.servingLifetime = p.caLifetime // So that only the CA is due.
	first, data := fresh(t, p, epoch)

	now := epoch.Add(2440 * day)
	second, reason, err := p.next(data, first, publication{bundle: first.bundle(), since: epoch}, now)
	if err != nil || !strings.Contains(reason, "the CA is due") {
		t.Fatalf("reason %q, error %v", reason, err)
	}
	assertSound(t, p, second, 2, now)
	data = encoded(t, second)

	for _, tc := range []struct {
		reason string
		pub    publication
		moves  bool
	}{
		{"nothing published", publication{}, false},
		{"the old bundle is still what is published", publication{first.bundle(), epoch}, false},
		{"both just published", publication{second.bundle(), now.Add(-time.Second)}, false},
		{"both published and settled", publication{second.bundle(), now.Add(-time.Minute)}, true},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			got, _, err := p.next(data, second, tc.pub, now)
			if err != nil {
				t.Fatal(err)
			}
			if moved := got.issuer().Equal(second.ca.Leaf); moved != tc.moves {
				t.Errorf("moved to the new CA: %t, want %t", moved, tc.moves)
			}
			assertSound(t, p, got, 2, now)
		})
	}
}

// Deleting the Secret twice, with the settle time in between, is how people get
// rid of a CA whose key leaked.
func TestPolicyForgetsACAAfterTwoDeletions(t *testing.T) {
	p := testPolicy()
	leaked, _ := fresh(t, p, epoch)
	served, pub, now := leaked, publication{}, epoch
	for _, data := range []map[string][]byte{nil, nil} {
		var err error
		if served, _, err = p.next(data, served, pub, now); err != nil {
			t.Fatal(err)
		}
		pub = publication{bundle: served.bundle(), since: now}
		now = now.Add(p.settle)
		if served, _, err = p.next(encoded(t, served), served, pub, now); err != nil {
			t.Fatal(err)
		}
		assertSound(t, p, served, 2, now)
	}
	for _, ca := range served.trusted {
		if ca.Equal(leaked.ca.Leaf) {
			t.Error("the first CA is still trusted")
		}
	}
}

// A CA that people bring may be constrained. It must not be asked for a
// certificate that then fails, over and over.
func TestPolicyReplacesACAThatCannotSign(t *testing.T) {
	p := testPolicy()
	ca, err := sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "constrained"},
		NotBefore: epoch, NotAfter: epoch.Add(3650 * day),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"example.com"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	data := encoded(t, &state{ca: ca, trusted: []*x509.Certificate{ca.Leaf}, serving: ca})

	got, reason, err := p.next(data, nil, publication{}, epoch.Add(day))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(reason, "cannot sign for this server") {
		t.Errorf("reason %q", reason)
	}
	assertSound(t, p, got, 1, epoch.Add(day))
}

// A name that no certificate can hold is an error, not a loop.
func TestPolicyCannotServeANameThatIsNone(t *testing.T) {
	p := testPolicy()
	p.hosts = []string{"höok.ns.svc"}
	if _, _, err := p.next(nil, nil, publication{}, epoch); err == nil {
		t.Error("want an error")
	}
}

// Over thirty years of looks every ten days, a client that knows no more than what the
// webhook configurations said at the last look gets through at every one.
func TestPolicyNeverTurnsClientsAway(t *testing.T) {
	p := testPolicy()
	p.jitter = 0.5
	served, data := fresh(t, p, epoch)
	pub := publication{bundle: served.bundle(), since: epoch}
	cas, servings := 0, 0
	for now := epoch; now.Before(epoch.Add(30 * 365 * day)); now = now.Add(10 * day) {
		next, reason, err := p.next(data, served, pub, now)
		if err != nil {
			t.Fatal(err)
		}
		assertVerifies(t, pub.bundle, next.serving, now)
		assertVerifies(t, next.bundle(), served.serving, now)
		if !next.ca.Leaf.Equal(served.ca.Leaf) {
			cas++
		}
		if !next.serving.Leaf.Equal(served.serving.Leaf) {
			servings++
		}
		if reason == "" && !p.wake(next, pub).After(now) {
			t.Fatalf("at %s nothing was due, and yet the policy wants to be asked again at %s", now, p.wake(next, pub))
		}
		if string(pub.bundle) != string(next.bundle()) {
			pub = publication{bundle: next.bundle(), since: now}
		}
		served, data = next, encoded(t, next)
	}
	if cas != 4 || servings < 180 || servings > 200 {
		t.Errorf("%d CAs and %d serving certificates were made in 30 years, want 4 and about 190", cas, servings)
	}
}

func assertVerifies(t *testing.T, bundle []byte, cert *tls.Certificate, now time.Time) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatalf("no CA in bundle %q", bundle)
	}
	for _, host := range testHosts {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: now}); err != nil {
			t.Fatalf("at %s: %v", now, err)
		}
	}
}
