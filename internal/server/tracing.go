package server

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"

	"github.com/envgraft/envgraft/internal/tracing"
)

// flushTimeout is how long a server that ends waits for its last traces.
const flushTimeout = 3 * time.Second

// newTracer returns the tracer that the environment asks for, and what sends
// its last traces. Nobody's pods wait for a collector: what is wrong with
// tracing is logged, and nothing is traced.
func newTracer(ctx context.Context, version string, log logr.Logger) (*tracing.Tracer, func()) {
	tracer, err := tracing.New(ctx, "envgraft", version)
	if err != nil {
		log.Error(err, "Nothing is traced")
		return nil, func() {}
	}
	return tracer, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := tracer.Shutdown(ctx); err != nil {
			log.Error(fmt.Errorf("cannot end tracing: %w", err), "Traces were lost")
		}
	}
}
