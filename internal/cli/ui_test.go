package cli_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/canary"
)

// lockedBuffer is read while a command writes.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// TestUI serves the pages of a cluster from what the other commands read, and
// holds what they say to a golden file; the pages' own look is internal/ui's.
func TestUI(t *testing.T) {
	for _, name := range []string{"explain-live", "doctor-rights"} {
		t.Run(name, func(t *testing.T) {
			golden, err := filepath.Abs("uidata/" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir("testdata/" + name)
			address := startUI(t, startCluster(t))
			text := get(t, address) + get(t, address+"apps/shop/deployment/shop")
			if told := canary.Find(text); len(told) > 0 || strings.Contains(text, "info") { // a ConfigMap's
				t.Errorf("a page shows values %q:\n%s", told, text)
			}
			text = regexp.MustCompile(`(as of\s+)\S+ \S+`).ReplaceAllString(text, "${1}TIME")
			text = regexp.MustCompile(`\d+ days ago`).ReplaceAllString(text, "DAYS ago")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: go test ./internal/cli -update writes it", err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// startUI runs the command until the test ends, and returns what it printed.
func startUI(t *testing.T, server []string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, errOut, code := &lockedBuffer{}, &lockedBuffer{}, make(chan int, 1)
	args := slices.Concat([]string{"ui", "-n", "shop", "--listen", "127.0.0.1:0"}, server)
	go func() { code <- cli.Main(ctx, args, cmdutil.Streams{In: strings.NewReader(""), Out: out, Err: errOut}) }()
	t.Cleanup(func() {
		stop()
		if got := <-code; got != 0 {
			t.Errorf("interrupted, it ends with exit code %d: %s", got, errOut)
		}
	})
	deadline := time.After(time.Minute)
	for !strings.HasSuffix(out.String(), "\n") {
		select {
		case <-deadline:
			t.Fatalf("it prints no address: %q, %s", out, errOut)
		case got := <-code:
			code <- got
			t.Fatalf("it ended with exit code %d: %s", got, errOut)
		case <-time.After(time.Millisecond):
		}
	}
	return strings.TrimSpace(out.String())
}

// get reads a page as people do: its text, without markup.
func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: code %d, %v:\n%s", url, response.StatusCode, err, body)
	}
	text := regexp.MustCompile(`aria-label="([^"]*)"`).ReplaceAllString(string(body), ">$1<")
	text = regexp.MustCompile(`</t[dh]><t[dh]`).ReplaceAllString(text, " | <")
	text = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, " ")
	return regexp.MustCompile(`\s*\n\s*`).ReplaceAllString(text, "\n")
}
