package cli_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// TestSignalsEndCommands has a signal end a command that hangs in opening a FIFO or
// in reading standard input.
func TestSignalsEndCommands(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "in.yaml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	never, writer := io.Pipe()
	defer func() { _ = writer.Close() }()
	for _, file := range []string{fifo, "-"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, errs bytes.Buffer
		code := cli.Main(ctx, []string{"inject", "-f", file}, cmdutil.Streams{In: never, Out: &out, Err: &errs})
		if code != 130 || !strings.Contains(errs.String(), "interrupted") || out.Len() > 0 {
			t.Errorf("-f %s: exit code %d, %q", file, code, errs.String())
		}
	}
}
