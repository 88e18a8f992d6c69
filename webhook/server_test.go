package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/envgraft/envgraft/certs"
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// serving runs a server for the handler until the returned stop is called,
// which hands over what Start returned.
func serving(t *testing.T, http2 bool, pods *Pods) (address string, roots *x509.CertPool, stop context.CancelFunc, stopped <-chan error) {
	t.Helper()
	return servingWith(t, ServerOptions{HTTP2: http2, Limits: testLimits()}, pods)
}

func testLimits() Limits {
	return Limits{MaxConcurrentReviews: 16, MaxBytesInFlight: 8 << 20, MaxAnswerBytes: 1 << 20, MaxConnections: 64}
}

// servingWith is serving with options; the address and the certificate are the
// test's.
func servingWith(t *testing.T, o ServerOptions, pods *Pods) (address string, roots *x509.CertPool, stop context.CancelFunc, stopped <-chan error) {
	t.Helper()
	log.SetLogger(logr.Discard())
	source, err := certs.NewSelfSigned("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(source.CAPEM())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	o.Listen, o.GetCertificate = address, source.GetCertificate
	if o.Metrics == nil {
		o.Metrics = metrics.New(prometheus.NewRegistry())
	}
	server, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	server.RegisterReviews(pods, &Workloads{})
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		return server.StartedChecker()(nil) == nil, nil
	})
	if err != nil {
		t.Fatalf("the server does not answer: %v", err)
	}
	return address, roots, stop, ended
}

func TestServerTLS(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		address, roots, _, _ := serving(t, http2, (&world{}).handler(&strings.Builder{}))
		dial := func(newest uint16) (*tls.Conn, error) {
			return tls.Dial("tcp", address, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10, MaxVersion: newest, NextProtos: []string{"h2", "http/1.1"}})
		}
		if _, err := dial(tls.VersionTLS11); err == nil {
			t.Error("the server speaks TLS 1.1")
		}
		conn, err := dial(tls.VersionTLS13)
		if err != nil {
			t.Fatal(err)
		}
		state := conn.ConnectionState()
		if state.Version != tls.VersionTLS13 {
			t.Errorf("the server prefers %s", tls.VersionName(state.Version))
		}
		if want := map[bool]string{false: "http/1.1", true: "h2"}[http2]; state.NegotiatedProtocol != want {
			t.Errorf("with HTTP2 %t the server speaks %q, want %q", http2, state.NegotiatedProtocol, want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// slow holds each review back until it is let go.
type slow struct {
	world
	entered, release chan struct{}
}

func (s *slow) Prefetch(context.Context, string, string) {}

func (s *slow) ConfigMap(ctx context.Context, _, _ string) graft.ConfigMap {
	close(s.entered)
	select {
	case <-s.release:
		return graft.ConfigMap{State: graft.ConfigMapFound}
	case <-ctx.Done():
		return graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: ctx.Err().Error()}
	}
}

// TestServerDrains has a review that is under way answered in full by a server
// that was told to stop.
func TestServerDrains(t *testing.T) {
	s := &slow{entered: make(chan struct{}), release: make(chan struct{})}
	s.parameter = graft.Parameter{State: graft.ParameterFound}
	pods := s.handler(&strings.Builder{})
	pods.ConfigMaps = s
	address, roots, stop, stopped := serving(t, false, pods)

	request := podReview(nil).AdmissionRequest
	request.Object = runtime.RawExtension{Raw: []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[{"name":"app"}]}}`)}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: &request,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	answers := make(chan string, 1)
	go func() {
		response, err := client.Post("https://"+address+api.PodsWebhook, "application/json", strings.NewReader(string(body)))
		if err != nil {
			answers <- err.Error()
			return
		}
		data, err := io.ReadAll(response.Body)
		if err != nil || response.Body.Close() != nil {
			answers <- "cannot read the answer"
			return
		}
		answers <- string(data)
	}()
	<-s.entered
	stop()
	select {
	case err := <-stopped:
		t.Fatalf("the server left a review without an answer: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(s.release)

	if answer := <-answers; !strings.Contains(answer, `"allowed":true`) || !strings.Contains(answer, `"patch":`) || strings.Contains(answer, "canceled") {
		t.Errorf("the review got %s", answer)
	}
	if err := <-stopped; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// TestRetire holds the server to telling its clients, before it stops, to take
// another connection: one that it closes may be in use at that moment.
func TestRetire(t *testing.T) {
	retiring := &Server{}
	server := httptest.NewServer(retiring.retiring(http.NotFoundHandler()))
	defer server.Close()
	closes := func() bool {
		t.Helper()
		response, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		return response.Close
	}
	if closes() {
		t.Error("a server that is to go on ends its connections")
	}
	retiring.Retire()
	if !closes() {
		t.Error("a server that is to stop keeps its connections")
	}
}

func TestServerListen(t *testing.T) {
	for _, listen := range []string{"", "9443", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:0", ":70000"} {
		if _, err := NewServer(ServerOptions{Listen: listen}); err == nil || !strings.Contains(err.Error(), "cannot listen on") {
			t.Errorf("listen on %q: got %v", listen, err)
		}
	}
}
