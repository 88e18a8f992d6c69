package output

import (
	"bytes"
	"testing"
)

// TestProgress writes on one line of a terminal, cleans up after itself, and
// leaves files and pipes alone.
func TestProgress(t *testing.T) {
	var pipe bytes.Buffer
	p := NewProgress(&pipe)
	p.At(0, 2, "deployment.apps/a")
	p.End()
	if pipe.Len() > 0 {
		t.Errorf("a pipe got %q", &pipe)
	}
	var terminal bytes.Buffer
	p = Progress{w: &terminal, enabled: true}
	p.At(0, 1, "the only one")
	p.At(1, 2, "deployment.apps/\x1b[2Jb\nc")
	p.End()
	if want := string(clearLine) + "2 of 2: deployment.apps/\uFFFD[2Jb c …" + string(clearLine); terminal.String() != want {
		t.Errorf("a terminal got %q, want %q", &terminal, want)
	}
}
