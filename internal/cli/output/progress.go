package output

import (
	"fmt"
	"io"

	"github.com/envgraft/envgraft/internal/terminal"
)

// Progress says on a terminal what a person waits for, on one line that is gone
// when there is something to read. Elsewhere it says nothing.
type Progress struct {
	w       io.Writer
	enabled bool
}

// clearLine goes to the line's begin and erases it.
const clearLine terminal.Safe = "\r\x1b[K"

// NewProgress shows the progress on a terminal, and nowhere else.
func NewProgress(w io.Writer) Progress { return Progress{w: w, enabled: IsTerminal(w)} }

// At says that the i-th of n things is under way, from 0. One is no long work.
func (p Progress) At(i, n int, what string) {
	if n > 1 {
		p.Say(fmt.Sprintf("%d of %d: %s", i+1, n, what))
	}
}

// Say shows what is under way.
func (p Progress) Say(what string) {
	if p.enabled {
		_, _ = terminal.Fprintf(p.w, "%s%s …", clearLine, what) // nothing hangs on it
	}
}

// End removes the line.
func (p Progress) End() {
	if p.enabled {
		_, _ = terminal.Fprintf(p.w, "%s", clearLine) // likewise
	}
}
