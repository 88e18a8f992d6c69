package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
)

// addChecks says when API servers may send reviews.
func (s *cluster) addChecks(context.Context, *rest.Config) error {
	synced, err := s.syncedChannel()
	if err != nil {
		return err
	}
	failed := []error{s.manager.AddHealthzCheck("ping", healthz.Ping)}
	for name, check := range map[string]healthz.Checker{
		"certificate": s.source.Ready,
		"webhook":     s.webhooks.StartedChecker(),
		"caches": func(*http.Request) error {
			select {
			case <-synced:
				return nil
			default:
				return errors.New("the caches have not synced yet")
			}
		},
		"draining": func(*http.Request) error {
			if s.draining.Load() {
				return errors.New("the server was told to stop")
			}
			return nil
		},
	} {
		failed = append(failed, s.manager.AddReadyzCheck(name, logged(name, check, s.log)))
	}
	return errors.Join(failed...)
}

// logged logs why a check fails, once for each reason, and when it passes again:
// controller-runtime's own line says neither the check nor the reason.
func logged(name string, check healthz.Checker, log logr.Logger) healthz.Checker {
	var mu sync.Mutex
	last := ""
	return func(r *http.Request) error {
		err := check(r)
		reason := ""
		if err != nil {
			reason = err.Error()
		}
		mu.Lock()
		changed := reason != last
		last = reason
		mu.Unlock()
		switch {
		case changed && reason != "":
			log.Info("Not ready", "check", name, "reason", reason)
		case changed:
			log.Info("Ready again", "check", name)
		}
		return err
	}
}

// readableStatuses writes the results of controller-runtime's probes, whose
// fields are unexported: as JSON they read [{},{},{}].
func readableStatuses(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "statuses" && a.Value.Kind() == slog.KindAny {
		a.Value = slog.StringValue(fmt.Sprintf("%+v", a.Value.Any()))
	}
	return a
}
