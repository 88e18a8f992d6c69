package bounded_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"github.com/envgraft/envgraft/internal/bounded"
)

func TestText(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, text, want, middle string
		limit                      int
	}{
		"Short":  {"what fits stays", "shop", "shop", "shop", 4},
		"Long":   {"its length says that it was cut", strings.Repeat("ab", 50), "abababababababababa… (100 bytes)", "abababab… (100 bytes) …bababab", 34},
		"Umlaut": {"no character is cut in two", strings.Repeat("é", 50), "éééééééééé… (100 bytes)", "éééé… (100 bytes) …éééé", 35},
		"Tiny":   {"the note on the length stands alone where nothing else has room", strings.Repeat("ab", 50), "… (100 bytes)", "… (100 bytes) …", 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := bounded.Text(tc.text, tc.limit); got != tc.want {
				t.Errorf("%s: Text gives %q, want %q", tc.reason, got, tc.want)
			}
			if got := bounded.Middle(tc.text, tc.limit); got != tc.middle {
				t.Errorf("%s: Middle gives %q, want %q", tc.reason, got, tc.middle)
			}
		})
	}
}

// name is of a type of its own, as types.UID is.
type name string

type shown struct{ text string }

func (s shown) String() string { return s.text }

// TestLog writes 3 MB by every way into a line, and some that a line must keep.
func TestLog(t *testing.T) {
	long := strings.Repeat("é", 3<<19)
	for what, value := range map[string]any{
		"string": long, "name": name(long), "error": errors.New(long), "wrapped": fmt.Errorf("cannot: %w", errors.New(long)),
		"strings": []string{long, long}, "map": map[string]string{long: long}, "stringer": shown{long}, "pointer": &long, "bytes": []byte(long),
	} {
		var out bytes.Buffer
		log := logr.FromSlogHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: bounded.LogAttribute}))
		log.Info("Denied a pod", what, value, "count", 3)
		log.WithValues(what, value).Error(errors.New(long), "Cannot read the namespace")
		for line := range strings.Lines(out.String()) {
			// In JSON a byte may take six.
			if len(line) > 2*6*bounded.Message+500 || !strings.Contains(line, `"level"`) || !utf8.ValidString(line) {
				t.Errorf("%s makes a line of %d bytes: %.200s", what, len(line), line)
			}
		}
	}
	var out bytes.Buffer
	log := logr.FromSlogHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: bounded.LogAttribute}))
	log.Info("As it is", "names", []string{"a"}, "n", 3, "flag", true, "uid", name("u"), "nothing", nil, "for", time.Second)
	if want := `"names":["a"],"n":3,"flag":true,"uid":"u","nothing":null,"for":1000000000`; !strings.Contains(out.String(), want) {
		t.Errorf("the line is %s, want %s in it", out.String(), want)
	}
}

func TestRecorder(t *testing.T) {
	fake := events.NewFakeRecorder(2)
	bounded.Recorder(fake).Eventf(&corev1.Pod{}, nil, corev1.EventTypeWarning, "ShadowedKey", "Admit", "%s: remove it", strings.Repeat("x", 3<<20))
	if got := <-fake.Events; len(got) > bounded.Note+100 || !strings.HasSuffix(got, "x: remove it") {
		t.Errorf("a note of %d bytes: %.100s", len(got), got)
	}
}

func TestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bounded.Lines
		if leftOut, ok := lines.Next("slow"); leftOut != 0 || !ok {
			t.Errorf("the first line: %d left out, %t", leftOut, ok)
		}
		for range 100 {
			if _, ok := lines.Next("slow"); ok {
				t.Fatal("a second line within a minute")
			}
		}
		if _, ok := lines.Next("long"); !ok {
			t.Error("another thing has no line")
		}
		time.Sleep(time.Minute)
		if leftOut, ok := lines.Next("slow"); leftOut != 100 || !ok {
			t.Errorf("a minute later: %d left out, %t; want 100", leftOut, ok)
		}
	})
}
