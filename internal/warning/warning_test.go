package warning

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestLine(t *testing.T) {
	long := strings.Repeat("a", 120) + strings.Repeat("b", 133)
	for name, tc := range map[string]struct {
		reason, text, want string
	}{
		"Short":   {"is left as it is", `no app: set label x`, `envgraft: no app: set label x`},
		"Control": {"the API server drops a warning with one", "a\x1b[31m\nb\tc", "envgraft: a [31m b c"},
		"Name": {
			"is cut in its middle", fmt.Sprintf("Secret %q is missing: kubectl create secret generic %s", long, long),
			`envgraft: Secret "` + long[:31] + "…" + long[len(long)-30:] + `" is missing: kubectl create secret generic ` + long[:32] + "…" + long[len(long)-31:],
		},
		"ManyWords": {
			"the fix survives", strings.Repeat("blah ", 100) + "blah: kubectl delete pod x",
			"envgraft: " + strings.Repeat("blah ", 44) + "bla…: kubectl delete pod x",
		},
		"NoFix": {"both ends survive", strings.Repeat("start ", 60) + strings.Repeat("end ", 60) + "last", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := Line(tc.text)
			if diff := cmp.Diff(tc.want, got); diff != "" && tc.want != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
			if n := utf8.RuneCountInString(got); n > MaxLength {
				t.Errorf("%d characters: %s", n, got)
			}
		})
	}
	if got := Line(strings.Repeat("start ", 60) + strings.Repeat("end ", 60) + "last"); !strings.HasPrefix(got, "envgraft: start ") || !strings.HasSuffix(got, " last") {
		t.Errorf("an end is missing: %s", got)
	}
}

func FuzzLine(f *testing.F) {
	f.Add(strings.Repeat("é…\x00 ", 300))
	f.Add(strings.Repeat("x", 5000) + ": " + strings.Repeat("y", 5000))
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, text string) {
		got := Line(text)
		if n := utf8.RuneCountInString(got); n > MaxLength {
			t.Errorf("%d characters: %q", n, got)
		}
		if strings.ContainsFunc(got, unicode.IsControl) || !utf8.ValidString(got) {
			t.Errorf("a character that the API server drops the warning for: %q", got)
		}
		if again := Line(strings.TrimPrefix(got, prefix)); again != got {
			t.Errorf("a line that fits is changed:\n%q\n%q", got, again)
		}
	})
}

// TestFit has an answer stay within what the API server hands on whole.
func TestFit(t *testing.T) {
	var texts []string
	for i := range 200 {
		texts = append(texts, fmt.Sprintf("warning %d is %s: fix it", i, strings.Repeat("long ", 100)))
	}
	got := Fit(texts)
	total := 0
	for _, line := range got {
		total += utf8.RuneCountInString(line)
	}
	if total > maxTotal {
		t.Errorf("%d characters together, want at most %d", total, maxTotal)
	}
	if want := fmt.Sprintf("envgraft: and %d warnings more", 201-len(got)); got[len(got)-1] != want || len(got) < 10 {
		t.Errorf("the last of %d is %q, want %q", len(got), got[len(got)-1], want)
	}
	if got := Fit(nil); got != nil {
		t.Errorf("no warnings become %q", got)
	}
}
