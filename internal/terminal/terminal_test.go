package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestLine(t *testing.T) {
	for _, c := range []struct{ reason, text, want string }{
		{"text that prints stays", "größe 😀 é", "größe 😀 é"},
		{"a line end forges a line", "a\n::error::b\r\nc", "a ::error::b  c"},
		{"an escape sequence is obeyed by the terminal", "\x1b[2Ja", "�[2Ja"},
		{"so is one of the C1 controls", "\u009b31ma", "�31ma"},
		{"a mark of direction shows text backwards", "a\u202eb", "a�b"},
		{"a tab would end a column", "a\tb", "a b"},
		{"GitHub obeys a command at the beginning of a line", "  ::set-env name=A::b", "  : :set-env name=A::b"},
		{"an address is no command", "::1", ": :1"},
		{"Azure Pipelines obeys a command anywhere", "a ##vso[task.setvariable]b ##[error]c", "a # #vso[task.setvariable]b # #[error]c"},
		{"invalid UTF-8 is replaced", "a\xffb", "a�b"},
	} {
		if got := Line(c.text); got != c.want {
			t.Errorf("%s: Line(%q) is %q, want %q", c.reason, c.text, got, c.want)
		}
	}
}

type named string

type object struct{ name string }

func (o object) String() string { return "object " + o.name }

func TestSprintf(t *testing.T) {
	for _, c := range []struct {
		reason    string
		got, want Safe
	}{
		{"a string is foreign", Sprintf("%s\n", "a\nb"), "a b\n"},
		{"a named string too", Sprintf("%s", named("a\nb")), "a b"},
		{"and what writes itself", Sprintf("%s %v", object{"a\nb"}, errors.New("c\x1b")), "object a b c�"},
		{"and a list", Sprintf("%s", []string{"a\nb", "c"}), "[a b c]"},
		{"quoting shows what is there", Sprintf("%q", "a\n\x1b"), `"a\n\x1b"`},
		{"width and numbers", Sprintf("%-4s|%*d|%.1f|%t", "a", 3, 7, 0.25, true), "a   |  7|0.2|true"},
		{"colors pass, not what is colored", Sprintf("%s", Color(31, "a\x1b")), "\x1b[31ma�\x1b[0m"},
		{"lines pass, not what is in them", Sprintf("%s", Lines("kubectl get\n::error::\x1b")), "kubectl get\n: :error::�"},
		{"nil prints", Sprintf("%v", nil), "<nil>"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.reason, c.got, c.want)
		}
	}
}

func TestWriteError(t *testing.T) {
	for _, c := range []struct {
		reason string
		err    error
		want   string
	}{
		{"one line", errors.New("no file"), "envgraft: no file\n"},
		{"a foreign line end is none", fmt.Errorf("cannot read %s: %w", "a\n::error::b", errors.New("c\nd")), "envgraft: cannot read a ::error::b: c d\n"},
		{"joined errors", errors.Join(errors.New("a"), fmt.Errorf("b: %w", errors.New("c"))), "envgraft: a\nenvgraft: b: c\n"},
		{
			"joined errors with a heading", fmt.Errorf("not valid:\n%w", errors.Join(errors.New("a"), errors.New("b"))),
			"envgraft: not valid:\nenvgraft: a\nenvgraft: b\n",
		},
		{"a cause in the middle", fmt.Errorf("a %w b\nc", errors.New("x")), "envgraft: a x b c\n"},
	} {
		var out bytes.Buffer
		WriteError(&out, "envgraft:", c.err)
		if diff := cmp.Diff(c.want, out.String()); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", c.reason, diff)
		}
	}
}

func TestMachineFormats(t *testing.T) {
	value := map[string]string{"a": "##[error]x\n::error::\u009b\U000e0001\x7f\u202e"}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	escaped := JSON(encoded)
	var back map[string]string
	if err := json.Unmarshal(escaped, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(value, back); diff != "" {
		t.Errorf("JSON changed: %s", diff)
	}
	if bytes.ContainsAny(escaped, "\u009b\u202e\x7f\U000e0001") || strings.Contains(string(escaped), "##") {
		t.Errorf("JSON holds what does not print: %q", escaped)
	}
	quoted, err := YAML([]byte("b: 1\na: |-\n  ##[x\n  ::error::y\nc: 'folded\n  ::warning::z'\n"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "b: 1\na: \"#\\x23[x\\n::error::y\"\nc: 'folded ::warning::z'\n"; string(quoted) != want {
		t.Errorf("YAML is %q, want %q", quoted, want)
	}
	var document map[string]any
	if err := yaml.Unmarshal(quoted, &document); err != nil || document["a"] != "##[x\n::error::y" {
		t.Errorf("YAML means %v, %v", document, err)
	}
}
