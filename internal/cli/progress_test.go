package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestProgress writes on one line of a terminal, cleans up after itself, and
// leaves files and pipes alone.
func TestProgress(t *testing.T) {
	var pipe bytes.Buffer
	p := newProgress(&pipe)
	p.at(0, 2, "deployment.apps/a")
	p.end()
	if pipe.Len() > 0 {
		t.Errorf("a pipe got %q", &pipe)
	}
	var terminal bytes.Buffer
	p = progress{w: &terminal, enabled: true}
	p.at(0, 1, "the only one")
	p.at(1, 2, "deployment.apps/\x1b[2Jb\nc")
	p.end()
	if want := clearLine + "2 of 2: deployment.apps/\uFFFD[2Jb c …" + clearLine; terminal.String() != want {
		t.Errorf("a terminal got %q, want %q", &terminal, want)
	}
}

// TestPlain has what a tenant wrote not reach a terminal as commands of it.
func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b]0;title\x07b":      "a\uFFFD]0;title\uFFFDb",
		"right\u202eleft\u200b":   "right\uFFFDleft\uFFFD",
		"two\r\nlines":            "two\uFFFD\nlines",
		"größer ✓":                "größer ✓",
		strings.Repeat("x", 3000): strings.Repeat("x", 3000),
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) is %q, want %q", text, got, want)
		}
	}
}
