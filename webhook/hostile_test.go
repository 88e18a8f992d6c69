package webhook

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// review is a whole one as an API server sends it.
func review(object string) string {
	return `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u1","kind":{"group":"","version":"v1","kind":"Pod"},` +
		`"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"popapps","operation":"CREATE","object":` + object + `}}`
}

func honestPod() string {
	return `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[{"name":"app","env":[{"name":"DEBUG","value":"1"}]}]}}`
}

func clientOf(roots *x509.CertPool, certificates ...tls.Certificate) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		MaxIdleConnsPerHost: 16,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Certificates: certificates},
	}}
}

// post sends a review and returns status and answer.
func post(t *testing.T, client *http.Client, url, contentType string, body io.Reader) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", contentType)
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// TestServerRefuses has what is no review refused, with a word on why, and an
// honest review answered after each.
func TestServerRefuses(t *testing.T) {
	w := &world{parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}}}
	address, roots, _, _ := serving(t, false, w.handler(&strings.Builder{}))
	client := clientOf(roots)
	url := "https://" + address + api.PodsWebhook
	const object = "application/json"
	cases := map[string]struct {
		reason, contentType string
		body                io.Reader
		code                int
		says                string
	}{
		"OtherType":   {"A form can be sent by any browser.", "text/plain", strings.NewReader(review(honestPod())), 415, "application/json"},
		"NoType":      {"A review says that it is JSON.", "", strings.NewReader(review(honestPod())), 415, "application/json"},
		"Empty":       {"Nothing is no review.", object, strings.NewReader(""), 400, "ends in the middle"},
		"NotJSON":     {"Nor is what is no JSON.", object, strings.NewReader("<review/>"), 400, "a value is wanted"},
		"Half":        {"Nor half of one.", object, strings.NewReader(review(honestPod())[:200]), 400, "ends in the middle"},
		"OtherKind":   {"Nor another object.", object, strings.NewReader(`{"kind":"Pod","apiVersion":"v1"}`), 400, "AdmissionReview"},
		"Announced":   {"Too long a review is refused before it is sent.", object, strings.NewReader(strings.Repeat(" ", maxReviewBytes+1)), 413, "an API server sends none"},
		"Chunked":     {"Without a length, it is refused as it gets too long.", object, io.MultiReader(strings.NewReader(strings.Repeat(" ", maxReviewBytes+1))), 413, "an API server sends none"},
		"Deep":        {"Depth is bounded.", object, strings.NewReader(review(strings.Repeat("[", 20000) + strings.Repeat("]", 20000))), 400, "nested too deep"},
		"TwoObjects":  {"A second object could be another one.", object, strings.NewReader(review(honestPod() + `,"object":{}`)), 400, "stands twice"},
		"TooManyPods": {"A pod with more containers than any is denied.", object, strings.NewReader(review(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[` + strings.Repeat("{},", 200000) + `{}]}}`)), 200, "more than 500 containers"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if code, answer := post(t, client, url, tc.contentType, tc.body); code != tc.code || !strings.Contains(answer, tc.says) {
				t.Errorf("%s\ngot %d %.300s", tc.reason, code, answer)
			}
			if code, answer := post(t, client, url, object, strings.NewReader(review(honestPod()))); code != 200 || !strings.Contains(answer, `"patch":"`) {
				t.Errorf("after that, an honest review got %d %.300s", code, answer)
			}
		})
	}
	if response, err := client.Get(url); err != nil || response.StatusCode != http.StatusMethodNotAllowed || response.Body.Close() != nil {
		t.Errorf("a GET: %v", err)
	}
}

// TestServerAnswerIsBounded denies a pod whose patch would be too long.
func TestServerAnswerIsBounded(t *testing.T) {
	long := "DEBUG" + strings.Repeat("_", 200)
	w := &world{parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{long}}}
	address, roots, _, _ := serving(t, false, w.handler(&strings.Builder{}))
	pod := `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[{"name":"app","env":[` +
		strings.Repeat(`{"name":"`+long+`","value":"1"},`, 9999) + `{"name":"X"}]}]}}`
	code, answer := post(t, clientOf(roots), "https://"+address+api.PodsWebhook, "application/json", strings.NewReader(review(pod)))
	if code != 200 || !strings.Contains(answer, "maxAnswerBytes") || !strings.Contains(answer, `"allowed":false`) || len(answer) > 4096 {
		t.Errorf("got %d, %d bytes: %.400s", code, len(answer), answer)
	}
}

// gated holds every review back until it is let go.
type gated struct {
	world
	entered chan struct{}
	release chan struct{}
	ended   chan error
}

func newGated() *gated {
	return &gated{entered: make(chan struct{}, 100), release: make(chan struct{}), ended: make(chan error, 100)}
}

func (g *gated) Prefetch(context.Context, string, string) {}

func (g *gated) ConfigMap(ctx context.Context, _, _ string) graft.ConfigMap {
	g.entered <- struct{}{}
	select {
	case <-g.release:
		g.ended <- nil
	case <-ctx.Done():
		g.ended <- ctx.Err()
	}
	return graft.ConfigMap{State: graft.ConfigMapNotFound}
}

func (g *gated) pods() *Pods {
	pods := g.handler(&strings.Builder{})
	pods.ConfigMaps, pods.Parameters, pods.Metrics = g, fixedParameter{}, metrics.New(prometheus.NewRegistry())
	pods.Log = logr.Discard()
	return pods
}

// TestReviewEndsWithItsClient stops working for a client that has gone.
func TestReviewEndsWithItsClient(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		g := newGated()
		address, roots, _, _ := serving(t, http2, g.pods())
		client := clientOf(roots)
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = http2
		ctx, leave := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+api.PodsWebhook, strings.NewReader(review(honestPod())))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		go func() {
			if response, err := client.Do(request); err == nil {
				_ = response.Body.Close()
			}
		}()
		<-g.entered
		leave()
		select {
		case err := <-g.ended:
			if err == nil {
				t.Error("the review was not ended")
			}
		case <-time.After(20 * time.Second):
			t.Errorf("HTTP/2 %t: after 20 s the review is still worked on", http2)
		}
	}
}

// TestReviewsWaitInLine has one review more than there may be wait, and
// answered with 429 when its API server would give up.
func TestReviewsWaitInLine(t *testing.T) {
	g := newGated()
	limits := testLimits()
	limits.MaxConcurrentReviews = 1
	address, roots, _, _ := servingWith(t, ServerOptions{Limits: limits}, g.pods())
	client, url := clientOf(roots), "https://"+address+api.PodsWebhook
	first := make(chan string, 1)
	go func() {
		_, answer := post(t, client, url+"?timeout=15s", "application/json", strings.NewReader(review(honestPod())))
		first <- answer
	}()
	<-g.entered
	code, answer := post(t, client, url+"?timeout=400ms", "application/json", strings.NewReader(review(honestPod())))
	if code != http.StatusTooManyRequests || !strings.Contains(answer, "maxConcurrentReviews") {
		t.Errorf("the second review got %d %s", code, answer)
	}
	second := make(chan string, 1)
	go func() {
		_, answer := post(t, client, url+"?timeout=15s", "application/json", strings.NewReader(review(honestPod())))
		second <- answer
	}()
	close(g.release)
	for _, answer := range []string{<-first, <-second} {
		if !strings.Contains(answer, `"allowed":true`) {
			t.Errorf("a review that had time got %s", answer)
		}
	}
}

// TestLongReviewsWaitForBytes holds long reviews to their bytes, and lets short
// ones past.
func TestLongReviewsWaitForBytes(t *testing.T) {
	w := &world{}
	address, roots, _, _ := serving(t, false, w.handler(&strings.Builder{}))
	client, url := clientOf(roots), "https://"+address+api.PodsWebhook
	reader, writer := io.Pipe()
	long := review(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":"` + strings.Repeat("x", 6<<20))
	done := make(chan int, 1)
	go func() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, reader)
		if err != nil {
			done <- 0
			return
		}
		request.ContentLength = int64(len(long))
		request.Header.Set("Content-Type", "application/json")
		response, err := client.Do(request)
		if err != nil {
			done <- 0
			return
		}
		_ = response.Body.Close()
		done <- response.StatusCode
	}()
	if _, err := writer.Write([]byte(long[:1<<20])); err != nil { // it has its place in line for bytes now
		t.Fatal(err)
	}
	// The client hands bytes on before the server has them: the second may come first, once.
	var code int
	var answer string
	for range 3 {
		if code, answer = post(t, client, url+"?timeout=800ms", "application/json", strings.NewReader(long)); code == http.StatusTooManyRequests {
			break
		}
	}
	if code != http.StatusTooManyRequests || !strings.Contains(answer, "maxBytesInFlight") {
		t.Errorf("a second long review got %d %.200s", code, answer)
	}
	if code, answer := post(t, client, url, "application/json", strings.NewReader(review(honestPod()))); code != 200 || !strings.Contains(answer, `"allowed":true`) {
		t.Errorf("a short review beside it got %d %.200s", code, answer)
	}
	// The rest of the long one never comes.
	select {
	case code := <-done:
		if code != http.StatusRequestTimeout {
			t.Errorf("the review that never ended got %d", code)
		}
	case <-time.After(bodyTime + 15*time.Second):
		t.Error("a body that never ends is waited for")
	}
	_ = writer.Close()
}

// TestServerStopsBesideEndlessBodies has the server stop while a body is still
// arriving.
func TestServerStopsBesideEndlessBodies(t *testing.T) {
	address, roots, stop, stopped := serving(t, false, (&world{}).handler(&strings.Builder{}))
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the server closes it
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", api.PodsWebhook); err != nil {
		t.Fatal(err)
	}
	stop()
	select {
	case err := <-stopped:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the server waits for a body that never ends")
	}
}

// TestIdleConnections answers honest reviews beside ten thousand connections
// that do nothing, or as many as a process may have here, and holds no more than
// it may.
func TestIdleConnections(t *testing.T) {
	address, roots, _, _ := serving(t, false, (&world{}).handler(&strings.Builder{}))
	client, url := clientOf(roots), "https://"+address+api.PodsWebhook
	honest := func() {
		t.Helper()
		if code, answer := post(t, client, url, "application/json", strings.NewReader(review(honestPod()))); code != 200 {
			t.Fatalf("an honest review got %d %s", code, answer)
		}
	}
	honest()
	var idle []net.Conn
	defer func() {
		for _, conn := range idle {
			_ = conn.Close()
		}
	}()
	for i := range 10_000 {
		conn, err := net.DialTimeout("tcp", address, 10*time.Second)
		if errors.Is(err, syscall.EMFILE) && i > 2000 {
			t.Logf("a process may have %d connections here", i)
			for _, conn := range idle[i-100:] { // an honest review needs some
				_ = conn.Close()
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
		if i%1000 == 0 {
			honest()
		}
	}
	honest()
	// The oldest of them was closed.
	if err := idle[0].SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := idle[0].Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("%d idle connections are all held: %v", len(idle), err)
	}
}

// TestClientCA takes reviews from those whose certificate the CA signed, and
// from nobody else.
func TestClientCA(t *testing.T) {
	ca, caKey := issueCA(t, "clients")
	otherCA, otherKey := issueCA(t, "others")
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{}
	address, roots, _, _ := servingWith(t, ServerOptions{Limits: testLimits(), ClientCA: file}, w.handler(&strings.Builder{}))
	url := "https://" + address + api.PodsWebhook

	if code, answer := post(t, clientOf(roots), url, "application/json", strings.NewReader(review(honestPod()))); code != http.StatusForbidden || !strings.Contains(answer, "server.clientCA") {
		t.Errorf("without a certificate: %d %s", code, answer)
	}
	if len(w.asked) > 0 {
		t.Error("a review from a stranger was looked into")
	}
	if code, _ := post(t, clientOf(roots, issueClient(t, ca, caKey)), url, "application/json", strings.NewReader(review(honestPod()))); code != http.StatusOK {
		t.Errorf("with the certificate: %d", code)
	}
	stranger := clientOf(roots, issueClient(t, otherCA, otherKey))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(nil))
	if err != nil {
		t.Fatal(err)
	}
	if response, err := stranger.Do(request); err == nil {
		// A client may learn of its CA from the handshake, and present nothing.
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("with another's certificate: %s", response.Status)
		}
		_ = response.Body.Close()
	}
	if _, err := NewServer(ServerOptions{Listen: address, ClientCA: file + "-not", Limits: testLimits()}); err == nil || !strings.Contains(err.Error(), "server.clientCA") {
		t.Errorf("a CA that is not there: %v", err)
	}
}

func issueCA(t *testing.T, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return sign(t, template, nil, nil)
}

func issueClient(t *testing.T, ca *x509.Certificate, caKey *ecdsa.PrivateKey) tls.Certificate {
	t.Helper()
	leaf, key := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, ca, caKey)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key}
}

// sign makes a certificate, which signs itself without a parent.
func sign(t *testing.T, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// FuzzHandler holds that no bytes bring the handler down, and that each gets an
// answer that an API server understands: a review, or an error.
func FuzzHandler(f *testing.F) {
	f.Add([]byte(review(honestPod())))
	f.Add([]byte(review(`{"metadata":{"labels":{"app.kubernetes.io/name":"a"}},"spec":{"containers":[{"env":[null,{"name":"DEBUG"}],"envFrom":[null,{}]}]}}`)))
	f.Add([]byte(review(`{"metadata":{"labels":{"app.kubernetes.io/name":"a"},"annotations":{"envgraft.dev/keep":"` + strings.Repeat("x,", 1000) + `"}}}`)))
	for _, seed := range reviewSeeds() {
		f.Add([]byte(seed))
	}
	w := &world{parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}}}
	handler := &reviewHandler{next: w.handler(&strings.Builder{}), limits: newLimits(testLimits()), metrics: metrics.New(prometheus.NewRegistry()), trusted: func(*http.Request) bool { return true }}
	server := httptest.NewServer(handler)
	f.Cleanup(server.Close)
	f.Fuzz(func(t *testing.T, body []byte) {
		code, answer := post(t, server.Client(), server.URL, "application/json", bytes.NewReader(body))
		switch code {
		case http.StatusOK:
			if !strings.Contains(generic(t, []byte(answer)), `"kind":"AdmissionReview"`) {
				t.Errorf("got %s", answer)
			}
		case http.StatusBadRequest:
		default:
			t.Errorf("got %d %s", code, answer)
		}
	})
}
