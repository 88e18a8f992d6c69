package server

import (
	"io"
	"log/slog"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// LevelDebug is the other value of --log-level.
const LevelDebug = "debug"

// klogSet is for klog's global logger, which may not be set while anything logs.
// A program serves once; tests do several times.
var klogSet sync.Once //nolint:gochecknoglobals // it guards a global of a library

// NewLogger returns a logger of JSON lines, and makes it the one of the
// libraries too: client-go and controller-runtime log by globals.
func NewLogger(w io.Writer, debug bool) logr.Logger {
	level := slog.LevelInfo
	if debug {
		// A line an admission is logr's verbosity 1, which is slog's level -1;
		// the libraries' own chatter starts below it.
		level = -1
	}
	log := logr.FromSlogHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: logAttribute}))
	ctrl.SetLogger(log)
	klogSet.Do(func() { klog.SetLogger(log) })
	return log
}
