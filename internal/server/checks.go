package server

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

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/metrics"
)

// addChecks says when API servers may send reviews.
func (s *cluster) addChecks(ctx context.Context, _ *rest.Config) error {
	synced, err := s.syncedChannel()
	if err != nil {
		return err
	}
	checks := map[string]healthz.Checker{
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
	}
	for name, check := range checks {
		checks[name] = logged(name, check, s.log)
	}
	return s.addPort(ctx, metrics.PortHealth, s.config.Server.HealthListen, healthHandler(checks))
}

// syncedChannel is closed once the caches have synced: runnables start then.
func (s *cluster) syncedChannel() (<-chan struct{}, error) {
	synced := make(chan struct{})
	return synced, s.manager.Add(onEveryReplica(func(ctx context.Context) error {
		close(synced)
		<-ctx.Done()
		return nil
	}))
}

// healthHandler answers /healthz while the process runs, and /readyz by the
// checks, each also at /readyz/NAME.
func healthHandler(ready map[string]healthz.Checker) http.Handler {
	mux := http.NewServeMux()
	for path, checks := range map[string]map[string]healthz.Checker{"/healthz": {"ping": healthz.Ping}, "/readyz": ready} {
		handler := http.StripPrefix(path, &healthz.Handler{Checks: checks})
		mux.Handle(path, handler)
		mux.Handle(path+"/", handler)
	}
	return mux
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

// logAttribute is what the log makes of each value: readable, and of a bounded length.
func logAttribute(groups []string, a slog.Attr) slog.Attr {
	return bounded.LogAttribute(groups, readableStatuses(groups, a))
}

// readableStatuses writes the results of controller-runtime's probes, whose
// fields are unexported: as JSON they read [{},{},{}].
func readableStatuses(_ []string, a slog.Attr) slog.Attr {
	if a.Key == "statuses" && a.Value.Kind() == slog.KindAny {
		a.Value = slog.StringValue(fmt.Sprintf("%+v", a.Value.Any()))
	}
	return a
}
