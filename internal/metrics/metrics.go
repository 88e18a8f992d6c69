// Package metrics holds every metric of the product, each once: its name, its
// unit, its labels and a help text that says how to read it.
//
// Label sets are closed and small. Nothing is labelled by pod, namespace or
// app: those grow with the cluster, and are in the logs and Events.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/envgraft/envgraft/internal/graft"
)

const namespace = "envgraft"

// Metrics counts and measures. It is safe for concurrent use.
type Metrics struct {
	Admissions
	Findings
	Lookups
	Controller
	Inventory
	ParameterEvents
	Server
	Bounds
}

// New registers every metric. It panics where reg already has one of them,
// which is a mistake of the program and not of its surroundings.
func New(reg prometheus.Registerer) *Metrics {
	m := &Metrics{}
	factory := promauto.With(reg)
	for _, register := range []func(promauto.Factory){
		m.Admissions.register, m.Findings.register, m.Lookups.register, m.Controller.register,
		m.ParameterEvents.register, m.Server.register, m.Bounds.register, m.Inventory.register,
	} {
		register(factory)
	}
	return m
}

// counter, gauge and histogram name a metric and say how to read it.
func counter(name, help string) prometheus.CounterOpts {
	return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
}

func gauge(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
}

// The bounds of native histograms: buckets 10% wide, and no more of them than
// Prometheus' own documentation advises for a start.
const (
	nativeBucketFactor = 1.1
	nativeBuckets      = 160
	nativeReset        = time.Hour
)

// histogram is a native one for a Prometheus that scrapes those, and one of
// classic buckets for all others.
func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: nativeBucketFactor, NativeHistogramMaxBucketNumber: nativeBuckets,
		NativeHistogramMinResetDuration: nativeReset,
	}
}

// latencyBuckets run from 1 ms to 5 s: a graft from memory takes less than the
// first, and API servers give up on the webhook at the last (timeoutSeconds).
func latencyBuckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .2, .3, .5, 1, 2.5, 5}
}

// Webhook is one of the two admission handlers.
type Webhook string

// The webhooks.
const (
	WebhookPods      Webhook = "pods"
	WebhookWorkloads Webhook = "workloads"
)

// Admissions counts and times admissions.
type Admissions struct {
	admissions        *prometheus.CounterVec
	admissionDuration *prometheus.HistogramVec
	warnings          *prometheus.CounterVec
}

func (m *Admissions) register(factory promauto.Factory) {
	m.admissions = factory.NewCounterVec(counter("admissions_total",
		"Objects that were admitted or denied, by webhook (pods, workloads), status (injected, skipped, denied, audited) and reason. "+
			"Status denied is an answer to the object's author; requests that failed otherwise are in controller_runtime_webhook_requests_total."),
		[]string{"webhook", "status", "reason"})
	m.admissionDuration = factory.NewHistogramVec(histogram("admission_duration_seconds",
		"Seconds from a decoded admission request to its answer, the wait for SSM and ConfigMaps included. "+
			"API servers give up after the webhook's timeoutSeconds, 5 by default.",
		latencyBuckets()), []string{"webhook"})
	m.warnings = factory.NewCounterVec(counter("warnings_total",
		"Warnings that were given to the authors of admitted pods, by reason. One pod may get several."),
		[]string{"reason"})

	// A rate over a series that is not there yet is no data, not zero: an alert
	// on it would stay silent for its first increase.
	for _, reason := range graft.Refusals() {
		m.admissions.WithLabelValues(string(WebhookPods), string(graft.StatusDenied), string(reason))
	}
	m.admissions.WithLabelValues(string(WebhookPods), string(graft.StatusSkipped), string(graft.ReasonNoApp))
	for _, reason := range graft.Warnings() {
		m.warnings.WithLabelValues(string(reason))
	}
}

// Admission counts one answer of a webhook and the time that it took.
func (m *Admissions) Admission(webhook Webhook, status graft.Status, reason graft.Reason, took time.Duration) {
	m.admissions.WithLabelValues(string(webhook), string(status), string(reason)).Inc()
	m.admissionDuration.WithLabelValues(string(webhook)).Observe(took.Seconds())
}

// Warning counts one warning to a pod's author.
func (m *Admissions) Warning(reason graft.Reason) {
	m.warnings.WithLabelValues(string(reason)).Inc()
}
