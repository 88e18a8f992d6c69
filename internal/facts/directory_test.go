package facts

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/envgraft/envgraft/internal/graft"
)

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDirectory(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "parameters")
	write(t, filepath.Join(dir, "popapps/myapp/stage/app.json"), `{"API_KEY":"hunter2"}`)
	write(t, filepath.Join(dir, "popapps/empty/stage/app.json"), `{}`)
	write(t, filepath.Join(dir, "popapps/bad/stage/app.json"), `hunter2`)
	write(t, filepath.Join(parent, "outside.json"), `{"OUTSIDE":"hunter2"}`)
	if err := os.Mkdir(filepath.Join(dir, "folder.json"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../outside.json", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	source, err := OpenDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})

	for name, want := range map[string]graft.Parameter{
		path:                       found("API_KEY"),
		"/popapps/empty/stage/app": {State: graft.ParameterEmpty},
		"/popapps/bad/stage/app":   {State: graft.ParameterInvalidJSON, Cause: "at byte 1 of 7"},
		"/popapps/none/stage/app":  {State: graft.ParameterNotFound},
	} {
		got := Direct{source}.Parameter(t.Context(), ask(name))
		if diff := cmp.Diff(want, got.Parameter, cmpopts.IgnoreFields(graft.Parameter{}, "Modified")); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if want.State != graft.ParameterNotFound && got.Modified.IsZero() || got.Fetched.IsZero() {
			t.Errorf("%s: modified %s, fetched %s, want times", name, got.Modified, got.Fetched)
		}
	}
	for _, name := range []string{"/../outside", "/popapps/../../outside", "/link", "//" + parent + "/outside", "/folder"} {
		got := source.Read(t.Context(), Key{Name: name})
		if got.State != graft.ParameterUnreachable || got.Cause == "" || strings.Contains(got.Cause, "OUTSIDE") {
			t.Errorf("%s: %+v, want a refusal with a cause", name, got.Parameter)
		}
	}
}

func TestOpenDirectory(t *testing.T) {
	_, err := OpenDirectory(filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(err.Error(), "cannot open parameters") {
		t.Errorf("got %v, want an error that says what could not be opened", err)
	}
}

// TestDirectoryReadsRegularFiles has nothing hang that a FIFO or an endless file
// stands in for.
func TestDirectoryReadsRegularFiles(t *testing.T) {
	path := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(path, "fifo.json"), 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(filepath.Join(path, "long.json"), bytes.Repeat([]byte(" "), 100<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(path, "directory.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	for name, want := range map[string]string{"fifo": "no regular file", "long": "more than 64 KiB", "directory": "no regular file"} {
		got := d.Read(t.Context(), Key{Name: "/" + name})
		if got.State != graft.ParameterUnreachable || !strings.Contains(got.Cause, want) {
			t.Errorf("%s: %s, %q: want %q", name, got.State, got.Cause, want)
		}
	}
}
