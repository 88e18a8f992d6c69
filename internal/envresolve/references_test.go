package envresolve

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReferences(t *testing.T) {
	for value, want := range map[string][]string{
		"":                                nil,
		"plain":                           nil,
		"$(A)":                            {"A"},
		"$(A)$(B) $(A)":                   {"A", "B", "A"},
		"$$(A)":                           nil,
		"$$$(A)":                          {"A"},
		"$A $ $":                          nil,
		"$(A":                             nil,
		"$(A $(B)":                        {"A $(B"},
		"$()":                             {""},
		"$($$)":                           {"$$"},
		strings.Repeat("$(", 1<<20) + "x": nil,
	} {
		if diff := cmp.Diff(want, slices.Collect(References(value))); diff != "" {
			t.Errorf("%.30q: -want, +got:\n%s", value, diff)
		}
	}
}

// FuzzReferences holds it to the kubelet's own expansion, copied below.
func FuzzReferences(f *testing.F) {
	for _, seed := range []string{"$(A)", "$$(A)", "$$$(A)$(", "$A$(B)x$$", "$($(A))", "$()$", "$(A$$)B)", "$é$(A)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if len(value) > 1<<12 {
			return
		}
		var want []string
		expanded := expand(value, func(name string) string { want = append(want, name); return "<" + name + ">" })
		if got := Expand(value, func(name string) (string, bool) { return "<" + name + ">", true }); got != expanded {
			t.Errorf("%q: expanded to %q, by the kubelet to %q", value, got, expanded)
		}
		if diff := cmp.Diff(want, slices.Collect(References(value))); diff != "" {
			t.Errorf("%q: -the kubelet's, +got:\n%s", value, diff)
		}
	})
}

// expand is Expand of Kubernetes' third_party/forked/golang/expansion.
func expand(input string, mapping func(string) string) string {
	var buf bytes.Buffer
	checkpoint := 0
	for cursor := 0; cursor < len(input); cursor++ {
		if input[cursor] == '$' && cursor+1 < len(input) {
			buf.WriteString(input[checkpoint:cursor])
			read, isVar, advance := tryReadVariableName(input[cursor+1:])
			if isVar {
				buf.WriteString(mapping(read))
			} else {
				buf.WriteString(read)
			}
			cursor += advance
			checkpoint = cursor + 1
		}
	}
	return buf.String() + input[checkpoint:]
}

func tryReadVariableName(input string) (string, bool, int) {
	switch input[0] {
	case '$':
		return input[0:1], false, 1
	case '(':
		for i := 1; i < len(input); i++ {
			if input[i] == ')' {
				return input[1:i], true, i + 1
			}
		}
		return "$(", false, 1
	default:
		return "$" + string(input[0]), false, 1
	}
}
