// Package connections limits the connections that a server has open.
package connections

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Limit limits the connections that are open at a time, by a server's ConnState. One too many closes another that does nothing: refusing it would let
// whoever opens connections first keep all others out. closed is called for each;
// it may be nil.
func Limit(limit int, closed func()) func(net.Conn, http.ConnState) {
	b := newTracker(limit)
	return func(conn net.Conn, state http.ConnState) {
		if victim := b.note(conn, state); victim != nil {
			_ = victim.Close() // the server learns of it by its next read
			if closed != nil {
				closed()
			}
		}
	}
}

// SmallLimit are the connections of a port that only scrapers and probes use.
const SmallLimit = 64

// Small returns a server for such a port, with bounds on what a client may take.
func Small(handler http.Handler, closed func()) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, ConnState: Limit(SmallLimit, closed),
	}
}

// tracker knows the open connections of a server.
type tracker struct {
	limit int

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

func newTracker(limit int) *tracker {
	return &tracker{limit: limit, open: map[net.Conn]connection{}}
}

// note writes down a change, and returns the connection to close.
func (b *tracker) note(conn net.Conn, state http.ConnState) net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case http.StateNew:
		b.open[conn] = connection{since: time.Now()}
		if len(b.open) > b.limit {
			return b.idleLongest(conn)
		}
	case http.StateActive, http.StateIdle:
		b.open[conn] = connection{since: time.Now(), spoke: true, busy: state == http.StateActive}
	case http.StateHijacked, http.StateClosed:
		delete(b.open, conn)
	}
	return nil
}

// idleLongest takes out the connection that is missed least: of those that never
// sent a request the oldest, else of those that wait for one, else the new one.
func (b *tracker) idleLongest(newest net.Conn) net.Conn {
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
