package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/api"
)

// requestTimeout bounds the reading of a review and the writing of its answer.
// It is more than the 30 s that Kubernetes allows a webhook at most, so that
// it only ever cuts off those who are no API server.
const requestTimeout = 35 * time.Second

// ServerOptions say how to serve.
type ServerOptions struct {
	// Listen is "host:port".
	Listen string
	// HTTP2 allows HTTP/2.
	HTTP2          bool
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// NewServer returns controller-runtime's server, which limits a review to
// 7 MiB: two objects of the API server's 3 MiB and the rest of a review.
func NewServer(o ServerOptions) (webhook.Server, error) {
	host, port, err := splitListen(o.Listen)
	if err != nil {
		return nil, err
	}
	return webhook.NewServer(webhook.Options{
		Host: host,
		Port: port,
		TLSOpts: []func(*tls.Config){func(c *tls.Config) {
			c.MinVersion = tls.VersionTLS12
			c.GetCertificate = o.GetCertificate
			c.NextProtos = []string{"http/1.1"}
			if o.HTTP2 {
				c.NextProtos = []string{"h2", "http/1.1"}
			}
		}},
	}), nil
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

// Register puts the handlers at their paths.
func Register(server webhook.Server, pods *Pods, workloads *Workloads) {
	for path, handler := range map[string]admission.Handler{
		api.PodsWebhook:      pods,
		api.WorkloadsWebhook: workloads,
	} {
		server.Register(path, bounded(&admission.Webhook{Handler: handler}))
	}
}

// bounded keeps a client that sends or reads byte by byte from holding a
// connection for ever: the server itself bounds headers and idleness only.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		deadline := time.Now().Add(requestTimeout)
		if err := control.SetReadDeadline(deadline); err != nil {
			http.Error(w, "cannot bound the request: "+err.Error(), http.StatusInternalServerError)
			return
		}
		if err := control.SetWriteDeadline(deadline); err != nil {
			http.Error(w, "cannot bound the response: "+err.Error(), http.StatusInternalServerError)
			return
		}
		// The server ends the contexts of its requests when it is told to stop; a
		// review that is under way is to be answered.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
