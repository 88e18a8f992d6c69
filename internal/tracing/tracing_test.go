package tracing_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/envgraft/envgraft/internal/tracing"
)

// received is a span as a collector gets it.
type received struct {
	Name, Parent string
	Attributes   map[string]string
}

// collect is an OTLP receiver.
type collect struct {
	mu       sync.Mutex
	spans    map[string]received // by ID
	trace    []string            // their trace IDs
	resource []string
	err      error
}

func (c *collect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	request := &collector.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(body, request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.err = err
		http.Error(w, "not what was asked for", http.StatusBadRequest)
		return
	}
	for _, of := range request.GetResourceSpans() {
		for _, a := range of.GetResource().GetAttributes() {
			c.resource = append(c.resource, a.GetKey()+"="+a.GetValue().GetStringValue())
		}
		for _, scope := range of.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				attributes := map[string]string{}
				for _, a := range span.GetAttributes() {
					attributes[a.GetKey()] = a.GetValue().GetStringValue()
				}
				c.spans[string(span.GetSpanId())] = received{span.GetName(), string(span.GetParentSpanId()), attributes}
				c.trace = append(c.trace, string(span.GetTraceId()))
			}
		}
	}
}

func TestTraces(t *testing.T) {
	receiver := &collect{spans: map[string]received{}}
	server := httptest.NewServer(receiver)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=test")
	tracer, err := tracing.New(t.Context(), "envgraft", "v1")
	if err != nil || tracer == nil {
		t.Fatalf("tracer %v, error %v", tracer, err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(""))
	request.Header.Set("Tracestate", "a="+strings.Repeat("x", 200))
	request.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	tracer.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, admission := tracer.Start(r.Context(), "admission")
		admission.Set("envgraft.reason", "Injected")
		admission.Set("envgraft.app", strings.Repeat("x", 3<<20))
		_, facts := tracer.Start(ctx, "facts")
		facts.End()
		admission.End()
	})).ServeHTTP(httptest.NewRecorder(), request)
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	if receiver.err != nil {
		t.Fatal(receiver.err)
	}
	parents := map[string]string{}
	for _, span := range receiver.spans {
		parents[span.Name] = receiver.spans[span.Parent].Name
		if span.Name == "admission" {
			if diff := cmp.Diff(map[string]string{
				"envgraft.reason": "Injected", "envgraft.app": strings.Repeat("x", 237) + "… (3145728 bytes)",
			}, span.Attributes); diff != "" {
				t.Errorf("attributes: -want, +got:\n%s", diff)
			}
		}
	}
	if diff := cmp.Diff(map[string]string{"admission": "", "facts": "admission"}, parents); diff != "" {
		t.Errorf("spans and their parents: -want, +got:\n%s", diff)
	}
	for _, id := range receiver.trace {
		if id != "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c" {
			t.Errorf("trace %x is not the API server's", id)
		}
	}
	for _, want := range []string{"service.name=envgraft", "service.version=v1", "k8s.cluster.name=test"} {
		if !slices.Contains(receiver.resource, want) {
			t.Errorf("resource %q lacks %q", receiver.resource, want)
		}
	}
}

func TestOff(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		t.Setenv(name, "")
	}
	tracer, err := tracing.New(t.Context(), "envgraft", "v1")
	if err != nil || tracer != nil {
		t.Fatalf("tracer %v, error %v", tracer, err)
	}
	ctx := t.Context()
	allocations := testing.AllocsPerRun(100, func() { spans(ctx, tracer) })
	if allocations > 0 {
		t.Errorf("tracing that is off allocates %v times an admission", allocations)
	}
	if err := tracer.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func spans(ctx context.Context, tracer *tracing.Tracer) {
	ctx, admission := tracer.Start(ctx, "admission")
	_, facts := tracer.Start(ctx, "facts")
	facts.Set("key", "value")
	facts.End()
	admission.End()
}

func TestSwitches(t *testing.T) {
	cases := map[string]struct {
		reason    string
		name, set string
		on        bool
		err       string
	}{
		"Disabled":   {reason: "The SDK's own switch.", name: "OTEL_SDK_DISABLED", set: "true"},
		"NoExporter": {reason: "Somebody wants no traces of anything.", name: "OTEL_TRACES_EXPORTER", set: "none"},
		"GRPC":       {reason: "A protocol that is not spoken is an error, or traces would be lost in silence.", name: "OTEL_EXPORTER_OTLP_PROTOCOL", set: "grpc", err: `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": use "http/protobuf"`},
		"HTTP":       {reason: "The one that is.", name: "OTEL_EXPORTER_OTLP_PROTOCOL", set: "http/protobuf", on: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(tc.name, tc.set)
			tracer, err := tracing.New(t.Context(), "envgraft", "v1")
			if (tracer != nil) != tc.on {
				t.Errorf("%s\non: %t, want %t", tc.reason, tracer != nil, tc.on)
			}
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("%s\nerror: %v, want %q", tc.reason, err, tc.err)
			}
		})
	}
}
