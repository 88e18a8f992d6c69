// Command ssmfake serves the fake Parameter Store inside a test cluster: the
// SSM API on one port, the commands of its tests on another.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/envgraft/envgraft/test/ssmfake"
)

func main() {
	listen := flag.String("listen", ":4566", "address of the SSM API")
	admin := flag.String("admin", ":4567", "address for faults and counters")
	flag.Parse()
	fake := ssmfake.New()
	if err := serve(map[string]http.Handler{*listen: fake, *admin: fake.Admin()}); err != nil {
		log.Fatal(err)
	}
}

// serve runs until it is told to stop or one of the listeners fails.
func serve(handlers map[string]http.Handler) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed := make(chan error, len(handlers))
	for address, handler := range handlers {
		server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		defer func() { _ = server.Close() }()
		go func() { failed <- server.ListenAndServe() }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}
}
