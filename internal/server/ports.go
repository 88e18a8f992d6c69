package server

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/envgraft/envgraft/certs"
	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/connections"
	"github.com/envgraft/envgraft/internal/metrics"
)

// addPort serves a handler on a port beside the webhook's, with bounds of its own:
// any pod may reach it, and each connection takes some 20 KB.
func (s *cluster) addPort(ctx context.Context, port metrics.Port, address string, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cannot serve %s: %w", port, err)
	}
	lines := &bounded.Lines{}
	server := connections.Small(handler, func() {
		s.metrics.ConnectionClosed(port)
		if leftOut, ok := lines.Next(string(port)); ok {
			s.log.Info("Closed a connection: the port has too many", "port", port, "maxConnections", connections.SmallLimit, "leftOut", leftOut)
		}
	})
	return s.manager.Add(&manager.Server{Name: string(port), Listener: listener, Server: server})
}

// addMetrics serves our own metrics and controller-runtime's on one port.
func (s *cluster) addMetrics(ctx context.Context, _ *rest.Config) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", metricsHandler(s.registry, s.metrics, s.source))
	return s.addPort(ctx, metrics.PortMetrics, s.config.Server.MetricsListen, mux)
}

// metricsHandler looks at the certificate whenever it is asked: replicas swap
// it at any time.
func metricsHandler(registry *prometheus.Registry, m *metrics.Metrics, source certs.Source) http.Handler {
	all := promhttp.HandlerFor(prometheus.Gatherers{registry, ctrlmetrics.Registry}, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cert, err := source.GetCertificate(nil); err == nil && cert.Leaf != nil {
			m.SetCertificateExpiry(cert.Leaf.NotAfter)
		}
		all.ServeHTTP(w, r)
	})
}
