package server

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

// TestWaitForAPI asks a server that drops its first connections, as one behind a
// Service that has no way to it yet.
func TestWaitForAPI(t *testing.T) {
	for name, status := range map[string]int{"answers": http.StatusOK, "refuses us": http.StatusForbidden} {
		t.Run(name, func(t *testing.T) {
			var dropped atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if dropped.Add(1) <= 2 {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{}`))
			}))
			defer server.Close()
			if err := waitForAPI(t.Context(), &rest.Config{Host: server.URL}, time.Minute, logr.Discard()); err != nil {
				t.Errorf("an API server that is late was not waited for: %v", err)
			}
		})
	}
}

// TestWaitForAPIGivesUp asks at an address where nothing answers.
func TestWaitForAPIGivesUp(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	err = waitForAPI(t.Context(), &rest.Config{Host: "http://" + address}, time.Second, logr.Discard())
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("waitForAPI = %v, want the address and the cause", err)
	}
}
