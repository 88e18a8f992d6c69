package connections_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/envgraft/envgraft/internal/connections"
)

// TestSmall opens more connections than a small port has, and holds that the
// next request is answered all the same, and that the oldest was closed.
func TestSmall(t *testing.T) {
	closed := make(chan struct{}, 1000)
	server := httptest.NewUnstartedServer(nil)
	server.Config = connections.Small(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func() { closed <- struct{}{} })
	server.Start()
	defer server.Close()
	const more = 36
	for range connections.SmallLimit + more {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the server may have
	}
	for range more {
		<-closed
	}
	response, err := server.Client().Get(server.URL)
	if err != nil || response.StatusCode != http.StatusOK || response.Body.Close() != nil {
		t.Errorf("beside %d idle connections: %v", connections.SmallLimit, err)
	}
}
