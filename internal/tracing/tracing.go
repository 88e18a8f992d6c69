// Package tracing sends a trace of each admission over OTLP, if OpenTelemetry's own
// environment variables configure an endpoint. Otherwise it does nothing, and
// allocates nothing.
package tracing

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/envgraft/envgraft/internal/bounded"
)

// The variables that switch tracing on and off, see
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/. The SDK reads
// these and all others: headers, timeouts, certificates, sampler, resource.
const (
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envProtocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envTracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	envDisabled       = "OTEL_SDK_DISABLED"
	envExporter       = "OTEL_TRACES_EXPORTER"

	protocol = "http/protobuf"
)

// Tracer starts spans. A nil one starts none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New returns the tracer that the environment asks for, nil where it asks for
// none.
func New(ctx context.Context, service, version string) (*Tracer, error) {
	if os.Getenv(envDisabled) == "true" || os.Getenv(envExporter) == "none" ||
		os.Getenv(envEndpoint) == "" && os.Getenv(envTracesEndpoint) == "" {
		return nil, nil
	}
	for _, name := range []string{envTracesProtocol, envProtocol} {
		if value := os.Getenv(name); value != "" && value != protocol {
			return nil, fmt.Errorf("cannot trace: %s is %q: use %q, which collectors take on port 4318", name, value, protocol)
		}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot trace: %w", err)
	}
	// What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes last, and wins.
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", service), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("cannot trace: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Tracer{provider: provider, tracer: provider.Tracer(service)}, nil
}

// Shutdown sends what is left.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("cannot send the last traces: %w", err)
	}
	return nil
}

// Handler continues the traces that API servers start, where they do.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without the tracestate header, whose length is the client's choice.
		parent := propagation.MapCarrier{"traceparent": r.Header.Get("Traceparent")}
		ctx := propagation.TraceContext{}.Extract(r.Context(), parent)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Start starts a span below the one that ctx holds.
func (t *Tracer) Start(ctx context.Context, name string) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, name) //nolint:spancheck // the caller ends it
	return ctx, Span{span}                 //nolint:spancheck // the caller ends it
}

// Span is a part of an admission. The zero one does nothing.
type Span struct{ span trace.Span }

// Set notes something about it: a name or a reason, never a value of an app's
// environment. A long one is cut: spans are held while the collector does not answer.
func (s Span) Set(key, value string) {
	if s.span != nil {
		s.span.SetAttributes(attribute.String(key, bounded.Text(value, bounded.Name)))
	}
}

// End ends it.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}
