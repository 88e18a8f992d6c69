package webhook

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/envgraft/envgraft/internal/jsonscan"
	"github.com/envgraft/envgraft/internal/metrics"
)

// wire is a connection whose bytes come a byte each interval, and which fails
// once its read deadline has passed, as a net.Conn does.
type wire struct {
	*httptest.ResponseRecorder

	rest     *strings.Reader
	interval time.Duration
	deadline time.Time
}

func (w *wire) SetReadDeadline(deadline time.Time) error {
	w.deadline = deadline
	return nil
}

func (w *wire) Read(p []byte) (int, error) {
	if w.interval > 0 {
		time.Sleep(w.interval)
		p = p[:min(1, len(p))]
	}
	if !w.deadline.IsZero() && !time.Now().Before(w.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	return w.rest.Read(p)
}

// TestArrive has long reviews wait in line for their bytes.
func TestArrive(t *testing.T) {
	for name, tc := range map[string]struct {
		reason   string
		size     int
		interval time.Duration
		inLine   time.Duration
		want     metrics.Refusal
	}{
		"Short":         {"a short review waits for nobody", 1000, 0, 9 * time.Second, ""},
		"Long":          {"a long one whose bytes are there waits in line as long as its API server does", shortReview + 1, 0, 9 * time.Second, ""},
		"Slow":          {"bytes that do not come have 5 s", 100, 100 * time.Millisecond, 0, metrics.RefusalSlow},
		"OutOfTime":     {"an API server does not wait forever", shortReview + 1, 0, 11 * time.Second, metrics.RefusalBytes},
		"LongestReview": {"what is longer than any is refused", maxReviewBytes + 1, 0, 0, metrics.RefusalTooLong},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimits(testLimits())
			others, leave := context.WithCancel(t.Context())
			defer leave()
			if l.bytes.Acquire(others, int64(l.MaxBytesInFlight)) != nil {
				t.Fatal("the line is not empty")
			}
			time.AfterFunc(tc.inLine, func() { l.bytes.Release(int64(l.MaxBytesInFlight)) })
			w := &wire{ResponseRecorder: httptest.NewRecorder(), rest: strings.NewReader(strings.Repeat("x", tc.size)), interval: tc.interval}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", io.NopCloser(w))
			r.ContentLength = int64(tc.size)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			in := l.newBody()
			defer in.release()
			err := arrive(ctx, in, w, r)
			var got metrics.Refusal
			if err != nil {
				got = err.reason
			}
			if got != tc.want || err == nil && (len(in.data) != tc.size || !w.deadline.IsZero()) {
				t.Errorf("%s, %s: refused for %q, want %q, with %d of %d bytes", name, tc.reason, got, tc.want, len(in.data), tc.size)
			}
			time.Sleep(time.Minute) // for the others to be gone
		})
	}
}

// TestRefusalsAreCounted holds that each refusal has a count, and one line a minute.
func TestRefusalsAreCounted(t *testing.T) {
	w := &world{}
	var log strings.Builder
	counts := refusals{}
	pods := w.handler(&log)
	h := &reviewHandler{next: pods, limits: newLimits(testLimits()), metrics: counts, log: pods.Log, trusted: func(*http.Request) bool { return true }}
	for range 100 {
		h.ServeHTTP(deadlines{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}
	h.trusted = func(*http.Request) bool { return false }
	h.ServeHTTP(deadlines{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	if counts[metrics.RefusalMalformed] != 100 || counts[metrics.RefusalUntrusted] != 1 {
		t.Errorf("counted %v", counts)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 {
		t.Errorf("%d lines, want one of each kind:\n%s", lines, log.String())
	}
}

type refusals map[metrics.Refusal]int

func (r refusals) ReviewRefused(reason metrics.Refusal) { r[reason]++ }

// TestLongNames sends names of 3 MB in every field that the log, an Event or
// the answer has, and looks at what is kept of them.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	pod := `{"metadata":{"name":"` + long + `","generateName":"` + long + `","labels":{"app.kubernetes.io/name":"myapp"},` +
		`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"` + long[:10000] + `","controller":true}]},"spec":{"containers":[{"name":"app"}]}}`
	from := originOf([]byte(pod))
	if len(from.Name) > 256 || len(from.GenerateName) > 256 || from.owner() != "" {
		t.Errorf("names of %d and %d bytes, and owner %.50q are kept", len(from.Name), len(from.GenerateName), from.owner())
	}
	for _, field := range []string{"uid", "namespace"} {
		forged := strings.Replace(review(honestPod()), `"`+field+`":"`, `"`+field+`":"`+long, 1)
		if _, _, err := readReview([]byte(forged), (*jsonscan.Scanner).Skip); err == nil || !strings.Contains(err.Error(), "request."+field+" has 31457") || len(err.Error()) > 300 {
			t.Errorf("a %s of 3 MB: %.300v", field, err)
		}
	}
}
