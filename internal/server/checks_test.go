package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/go-logr/logr"
)

// TestProbeLog says which check fails and why, once, and never [{},{}].
func TestProbeLog(t *testing.T) {
	var out bytes.Buffer
	log := logr.FromSlogHandler(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: readableStatuses}))
	var err error
	check := logged("certificate", func(*http.Request) error { return err }, log)
	for _, step := range []error{nil, errors.New("no CA yet"), errors.New("no CA yet"), errors.New("expired"), nil, nil} {
		err = step
		if got := check(nil); !errors.Is(got, step) {
			t.Errorf("the check says %v, want %v", got, step)
		}
	}
	for text, want := range map[string]int{`"reason":"no CA yet"`: 1, `"reason":"expired"`: 1, `"check":"certificate"`: 3, "Ready again": 1} {
		if got := strings.Count(out.String(), text); got != want {
			t.Errorf("%d lines have %s, want %d:\n%s", got, text, want, out.String())
		}
	}
}

// TestProbeStatuses has the line of controller-runtime's handler, whose statuses
// have unexported fields alone, say which check failed.
func TestProbeStatuses(t *testing.T) {
	type status struct {
		name    string
		healthy bool
	}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: readableStatuses})).
		Info("healthz check failed", "statuses", []status{{"certificate", false}, {"ping", true}})
	if want := `"statuses":"[{name:certificate healthy:false} {name:ping healthy:true}]"`; !strings.Contains(out.String(), want) {
		t.Errorf("the line has no %s: %s", want, &out)
	}
}
