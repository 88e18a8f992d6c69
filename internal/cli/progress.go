package cli

import (
	"fmt"
	"io"

	"github.com/envgraft/envgraft/internal/terminal"
)

// progress says on a terminal what a person waits for, on one line that is gone
// when there is something to read. Elsewhere it says nothing.
type progress struct {
	w       io.Writer
	enabled bool
}

// clearLine goes to the line's begin and erases it.
const clearLine terminal.Safe = "\r\x1b[K"

func newProgress(w io.Writer) progress { return progress{w: w, enabled: isTerminal(w)} }

// at says that the i-th of n things is under way, from 0. One is no long work.
func (p progress) at(i, n int, what string) {
	if n > 1 {
		p.say(fmt.Sprintf("%d of %d: %s", i+1, n, what))
	}
}

func (p progress) say(what string) {
	if p.enabled {
		_, _ = terminal.Fprintf(p.w, "%s%s …", clearLine, what) // nothing hangs on it
	}
}

func (p progress) end() {
	if p.enabled {
		_, _ = terminal.Fprintf(p.w, "%s", clearLine) // likewise
	}
}
