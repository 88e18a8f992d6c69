package webhook

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/envgraft/envgraft/internal/metrics"
)

// BenchmarkReview measures the handler alone, with what it asks for in memory:
// no TLS, and no connection.
func BenchmarkReview(b *testing.B) {
	pod := func(containers int, labels string) string {
		var list []string
		for i := range containers {
			list = append(list, fmt.Sprintf(`{"name":"app-%d","image":"registry.example.com/shop/app:1.2.3","env":[{"name":"DEBUG","value":"1"},{"name":"OTHER","value":"2"}],"resources":{"limits":{"memory":"256Mi"}}}`, i))
		}
		return `{"metadata":{"generateName":"myapp-","labels":{"app.kubernetes.io/name":"myapp"` + labels + `}},"spec":{"containers":[` + strings.Join(list, ",") + `]}}`
	}
	for name, object := range map[string]string{
		"containers=1":   pod(1, ""),
		"containers=10":  pod(10, ""),
		"containers=100": pod(100, ""),
		"skipped":        pod(10, `,"envgraft.dev/inject":"disabled"`),
	} {
		b.Run(name, func(b *testing.B) {
			pods := (&world{}).handler(&strings.Builder{})
			pods.Parameters, pods.Metrics, pods.Log = fixedParameter{}, metrics.New(prometheus.NewRegistry()), logr.Discard()
			handler := &reviewHandler{next: pods, limits: newLimits(testLimits()), metrics: metrics.New(prometheus.NewRegistry()), trusted: func(*http.Request) bool { return true }}
			body := review(object)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				request := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/?timeout=10s", strings.NewReader(body))
				request.Header.Set("Content-Type", "application/json")
				w := deadlines{httptest.NewRecorder()}
				handler.ServeHTTP(w, request)
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

// deadlines is a recorder that takes deadlines, as a connection does.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetReadDeadline(time.Time) error { return nil }
