package webhook

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// The rule: a connection more than the most closes another that does nothing.
// Refusing it would let whoever opens connections first keep API servers out.

// connections are those of a server.
type connections struct {
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

func newConnections(most int) *connections {
	return &connections{most: most, open: map[net.Conn]connection{}}
}

// changed is a server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if victim := c.note(conn, state); victim != nil {
		_ = victim.Close() // the server learns of it by its next read
	}
}

// note keeps the books, and returns the connection to close.
func (c *connections) note(conn net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = connection{since: time.Now()}
		if len(c.open) > c.most {
			return c.idlest(conn)
		}
	case http.StateActive, http.StateIdle:
		c.open[conn] = connection{since: time.Now(), spoke: true, busy: state == http.StateActive}
	case http.StateHijacked, http.StateClosed:
		delete(c.open, conn)
	}
	return nil
}

// idlest takes out the connection that is missed least: of those that never
// sent a request the oldest, else of those that wait for one, else the new one.
func (c *connections) idlest(newest net.Conn) net.Conn {
	victim, of := newest, connection{spoke: true, busy: true}
	for conn, candidate := range c.open {
		if conn != newest && candidate.missedLess(of) {
			victim, of = conn, candidate
		}
	}
	delete(c.open, victim)
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
