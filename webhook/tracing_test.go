package webhook

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/tracing"
)

// TestPodsTrace has a collector receive one admission: its parts, and no value.
func TestPodsTrace(t *testing.T) {
	var mu sync.Mutex
	var bodies strings.Builder
	parents, names := map[string]string{}, map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, err := io.ReadAll(r.Body)
		request := &collector.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(body, request)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		bodies.Write(body)
		for _, of := range request.GetResourceSpans() {
			for _, scope := range of.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					names[string(span.GetSpanId())] = span.GetName()
					parents[span.GetName()] = string(span.GetParentSpanId())
				}
			}
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	tracer, err := tracing.New(t.Context(), "envgraft", "test")
	if err != nil {
		t.Fatal(err)
	}

	w := world{parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}}, configMap: graft.ConfigMap{State: graft.ConfigMapNotFound}}
	handler := w.handler(&strings.Builder{})
	handler.Tracer = tracer
	handler.Handle(t.Context(), podReview(nil))
	if err := tracer.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	got := map[string]string{}
	for name, parent := range parents {
		got[name] = names[parent]
	}
	want := map[string]string{"admission": "", "identity": "admission", "facts": "admission", "graft": "admission"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans and their parents: -want, +got:\n%s", diff)
	}
	if strings.Contains(bodies.String(), secretValue) {
		t.Error("a span holds a value")
	}
}
