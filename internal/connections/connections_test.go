package connections

import (
	"net"
	"net/http"
	"testing"
)

func TestIdlestConnection(t *testing.T) {
	b := newTracker(2)
	var conns [5]net.Conn
	for i := range conns {
		conns[i], _ = net.Pipe()
	}
	step := func(i int, state http.ConnState, want net.Conn) {
		t.Helper()
		if got := b.note(conns[i], state); got != want {
			t.Errorf("connection %d: closed the wrong one", i)
		}
	}
	step(0, http.StateNew, nil)
	step(0, http.StateActive, nil)
	step(1, http.StateNew, nil)
	step(2, http.StateNew, conns[1]) // it never spoke; 0 is busy
	step(2, http.StateActive, nil)
	step(3, http.StateNew, conns[3]) // all others are busy
	step(0, http.StateIdle, nil)
	step(4, http.StateNew, conns[0]) // it only waits
	step(4, http.StateClosed, nil)
	if len(b.open) != 1 {
		t.Errorf("%d connections are counted, of 1", len(b.open))
	}
}
