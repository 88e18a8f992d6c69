// Package connections bounds those of a server.
package connections

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// AtMost bounds the connections that are open at a time, as a server's
// ConnState. One too many closes another that does nothing: refusing it would let
// whoever opens connections first keep all others out. closed is called for each;
// it may be nil.
func AtMost(most int, closed func()) func(net.Conn, http.ConnState) {
	b := newBooks(most)
	return func(conn net.Conn, state http.ConnState) {
		if victim := b.note(conn, state); victim != nil {
			_ = victim.Close() // the server learns of it by its next read
			if closed != nil {
				closed()
			}
		}
	}
}

// Few are the connections of a port that only scrapers and probes use.
const Few = 64

// Small returns a server for such a port, with bounds on what a client may take.
func Small(handler http.Handler, closed func()) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ConnState: AtMost(Few, closed),
	}
}

// books are kept of the connections of a server.
type books struct {
	most int

	mu   sync.Mutex
	open map[net.Conn]connection
}

// connection is what is known of one.
type connection struct {
	since time.Time
	// spoke says that it has had a request.
	spoke bool
	// busy says that it has one now.
	busy bool
}

func newBooks(most int) *books {
	return &books{most: most, open: map[net.Conn]connection{}}
}

// note writes down a change, and returns the connection to close.
func (b *books) note(conn net.Conn, state http.ConnState) net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case http.StateNew:
		b.open[conn] = connection{since: time.Now()}
		if len(b.open) > b.most {
			return b.idlest(conn)
		}
	case http.StateActive, http.StateIdle:
		b.open[conn] = connection{since: time.Now(), spoke: true, busy: state == http.StateActive}
	case http.StateHijacked, http.StateClosed:
		delete(b.open, conn)
	}
	return nil
}

// idlest takes out the connection that is missed least: of those that never
// sent a request the oldest, else of those that wait for one, else the new one.
func (b *books) idlest(newest net.Conn) net.Conn {
	victim, of := newest, connection{spoke: true, busy: true}
	for conn, candidate := range b.open {
		if conn != newest && candidate.missedLess(of) {
			victim, of = conn, candidate
		}
	}
	delete(b.open, victim)
	return victim
}

func (c connection) missedLess(other connection) bool {
	switch {
	case c.busy != other.busy:
		return !c.busy
	case c.spoke != other.spoke:
		return !c.spoke
	}
	return !c.busy && c.since.Before(other.since)
}
