package doctor

import (
	"os/exec"
	"strings"
	"testing"
)

// TestWord hands each text to a shell, which must find the same word again.
func TestWord(t *testing.T) {
	for _, text := range []string{
		"a=b", "db-creds,shop-secrets", "x' ; touch owned ; '", "$(touch owned)", "`touch owned`", `a"b\c`, "*", "~", "a b", "!x", "#y", "",
	} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+word(text)).Output()
		if err != nil || string(out) != text {
			t.Errorf("a shell reads %q as %q: %v", word(text), out, err)
		}
	}
	if got := word("a\nb\x1bc"); strings.ContainsAny(got, "\n\x1b") {
		t.Errorf("word keeps control characters: %q", got)
	}
}

// TestName leaves what is no name to a person.
func TestName(t *testing.T) {
	for text, want := range map[string]string{
		"aws-ssm": "aws-ssm", "ClusterSecretStore": "ClusterSecretStore", "a;b": "NAME", "x\nEND\nrm": "NAME", "": "NAME",
	} {
		if got := name(text); got != want {
			t.Errorf("name(%q) is %q, want %q", text, got, want)
		}
	}
}
