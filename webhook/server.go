package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/connections"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Bounds on what a connection may take. API servers are far from all of them.
const (
	headerTime = 5 * time.Second
	idleTime   = 2 * time.Minute
	// writeTime is more than a review may take, so that it only ever cuts off
	// those who do not read their answer.
	writeTime   = maxReviewTime + 5*time.Second
	headerBytes = 32 << 10
	// shutdownTime is what reviews under way are given when the server stops.
	shutdownTime = maxReviewTime + time.Second
	// streams are the requests of one HTTP/2 connection.
	streams = 64
)

// ServerOptions say how to serve.
type ServerOptions struct {
	// Listen is "host:port".
	Listen string
	// HTTP2 allows HTTP/2.
	HTTP2          bool
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// ClientCA is a file of certificates in PEM. Where it is set, reviews are
	// taken only from clients with a certificate that one of them signed.
	ClientCA string
	Limits   Limits
	Metrics  BoundsRecorder
	Log      logr.Logger
}

// BoundsRecorder counts what bounds refuse.
type BoundsRecorder interface {
	refusalRecorder
	ConnectionClosed(port metrics.Port)
}

// Server is controller-runtime's with a listener of our own, which bounds
// connections: each one holds some 40 KiB, and the other's are not counted.
type Server struct {
	webhook.Server
	options ServerOptions
	clients *clientCA
	limits  *limits
	started atomic.Bool
	retires atomic.Bool
}

var _ webhook.Server = &Server{}

// NewServer returns a server that listens once it is started.
func NewServer(o ServerOptions) (*Server, error) {
	host, port, err := splitListen(o.Listen)
	if err != nil {
		return nil, err
	}
	s := &Server{Server: webhook.NewServer(webhook.Options{Host: host, Port: port}), options: o, limits: newLimits(o.Limits)}
	if o.ClientCA != "" {
		if s.clients, err = newClientCA(o.ClientCA, o.Log); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// splitListen reads "host:port".
func splitListen(listen string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("cannot listen on %q: use host:port, as in \"127.0.0.1:9443\": %w", listen, err)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("cannot listen on %q: the port is a number from 1 to 65535", listen)
	}
	return host, port, nil
}

// RegisterReviews puts the handlers at their paths.
func (s *Server) RegisterReviews(pods *Pods, workloads *Workloads) {
	for path, handler := range map[string]reviewer{api.PodsWebhook: pods, api.WorkloadsWebhook: workloads} {
		s.Register(path, pods.Tracer.Handler(&reviewHandler{
			next: handler, limits: s.limits, metrics: s.options.Metrics, log: s.options.Log, trusted: s.trusted,
		}))
	}
}

// reviewer answers reviews, and says what becomes of one whose answer is too
// long.
type reviewer interface {
	// review begins one: read is handed its object while the review is read, and
	// decide answers it.
	review() (read objectReader, decide decider)
	tooLong(limit int) admission.Response
}

type decider func(context.Context, admission.Request) admission.Response

// trusted says that the client is an API server, as far as that can be told.
func (s *Server) trusted(r *http.Request) bool {
	return s.clients == nil || r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}

// Start serves until ctx is done and the reviews under way are answered. Their
// own contexts go on: a client that waits for its answer is to get it.
func (s *Server) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Listen)
	if err != nil {
		return fmt.Errorf("cannot serve the webhooks: %w", err)
	}
	server := s.httpServer()
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		err := server.Shutdown(ctx)
		if err != nil {
			err = errors.Join(fmt.Errorf("reviews were left without an answer: %w", err), server.Close())
		}
		stopped <- err
	})
	s.started.Store(true)
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("cannot serve the webhooks: %w", err)
	}
	return <-stopped
}

// Retire has each connection end with its next answer. A server that stops
// closes connections that wait for a request, which an API server may be sending
// at that moment, and the pod would fail; told by the answer, it takes another.
func (s *Server) Retire() { s.retires.Store(true) }

func (s *Server) retiring(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.retires.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) httpServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(s.options.HTTP2)
	return &http.Server{
		Handler:           s.retiring(s.WebhookMux()),
		TLSConfig:         s.tlsConfig(),
		Protocols:         &protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: streams},
		ReadHeaderTimeout: headerTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    headerBytes,
		ConnState:         connections.Limit(s.options.Limits.MaxConnections, s.connectionClosed),
		ErrorLog:          log.New(connectionLog{s.options.Log}, "", 0),
	}
}

func (s *Server) connectionClosed() {
	s.options.Metrics.ConnectionClosed(metrics.PortWebhook)
	if leftOut, ok := s.limits.lines.Next("connections"); ok {
		s.options.Log.Info("Closed a connection: there are more than server.limits.maxConnections",
			"maxConnections", s.options.Limits.MaxConnections, "leftOut", leftOut)
	}
}

func (s *Server) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.options.GetCertificate}
	if s.clients != nil {
		s.clients.verify(c)
	}
	return c
}

// StartedChecker says whether the server listens.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		if !s.started.Load() {
			return errors.New("the webhook server does not listen yet")
		}
		return nil
	}
}

// connectionLog has what net/http says of single connections at debug: anybody
// who reaches the port could fill the log.
type connectionLog struct{ log logr.Logger }

func (l connectionLog) Write(text []byte) (int, error) {
	l.log.V(1).Info("A connection failed", "error", strings.TrimSpace(string(text)))
	return len(text), nil
}
