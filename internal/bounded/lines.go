package bounded

import (
	"sync"
	"time"
)

// every is the time between two lines about the same thing.
const every = time.Minute

// Lines lets through one line a minute about each thing. Things are of a closed
// set, as reasons are, and never names. The zero value is ready for use, by
// several goroutines.
type Lines struct {
	mu     sync.Mutex
	things map[string]line
}

type line struct {
	at      time.Time
	leftOut int
}

// Next says whether to write a line, and how many were left out since the last.
func (l *Lines) Next(thing string) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.things == nil {
		l.things = map[string]line{}
	}
	last, now := l.things[thing], time.Now()
	if !last.at.IsZero() && now.Sub(last.at) < every {
		last.leftOut++
		l.things[thing] = last
		return 0, false
	}
	l.things[thing] = line{at: now}
	return last.leftOut, true
}
