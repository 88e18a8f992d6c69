package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Refusal is a bound that a review met.
type Refusal string

// The refusals.
const (
	// RefusalUntrusted is a client without a certificate of server.clientCA.
	RefusalUntrusted Refusal = "untrusted"
	// RefusalMalformed is a request that is no review.
	RefusalMalformed Refusal = "malformed"
	// RefusalTooLong is a review that is longer than any of an API server.
	RefusalTooLong Refusal = "too_long"
	// RefusalSlow is a review whose bytes did not arrive in time.
	RefusalSlow Refusal = "slow"
	// RefusalReviews, RefusalBytes and RefusalReaders are reviews whose time in
	// line was over: for their turn, for long reviews' bytes, for arriving at all.
	RefusalReviews Refusal = "reviews"
	RefusalBytes   Refusal = "bytes"
	RefusalReaders Refusal = "readers"
	// RefusalAnswer is a review whose answer would be too long.
	RefusalAnswer Refusal = "answer"
)

// ReviewRefusals lists all refusals.
func ReviewRefusals() []Refusal {
	return []Refusal{
		RefusalUntrusted, RefusalMalformed, RefusalTooLong, RefusalSlow, RefusalReviews, RefusalBytes, RefusalReaders, RefusalAnswer,
	}
}

// Port is one of the ports that the server listens on.
type Port string

// The ports.
const (
	PortWebhook Port = "webhook"
	PortMetrics Port = "metrics"
	PortHealth  Port = "health"
)

// Bounds counts what the bounds of the server refuse.
type Bounds struct {
	refusals          *prometheus.CounterVec
	connectionsClosed *prometheus.CounterVec
}

func (m *Bounds) register(factory promauto.Factory) {
	m.refusals = factory.NewCounterVec(counter("reviews_refused_total",
		"Reviews that a bound refused, by reason: untrusted (no client certificate of server.clientCA), malformed (no review), too_long (more than 7 MiB), "+
			"slow (did not arrive within 5 s), reviews, bytes and readers (their time in line was over: server.limits.maxConcurrentReviews, "+
			"maxBytesInFlight, maxConnections), answer (the patch was longer than server.limits.maxAnswerBytes). "+
			"Pods with more in them than any that runs are in admissions_total, with reason TooLarge."),
		[]string{"reason"})
	m.connectionsClosed = factory.NewCounterVec(counter("connections_closed_total",
		"Connections that were closed because there were too many, by port: webhook (server.limits.maxConnections), metrics and health (64 each)."),
		[]string{"port"})
	for _, reason := range ReviewRefusals() {
		m.refusals.WithLabelValues(string(reason))
	}
	for _, port := range []Port{PortWebhook, PortMetrics, PortHealth} {
		m.connectionsClosed.WithLabelValues(string(port))
	}
}

// ReviewRefused counts one review that a bound refused.
func (m *Bounds) ReviewRefused(reason Refusal) { m.refusals.WithLabelValues(string(reason)).Inc() }

// ConnectionClosed counts one connection that was one too many.
func (m *Bounds) ConnectionClosed(port Port) {
	m.connectionsClosed.WithLabelValues(string(port)).Inc()
}
