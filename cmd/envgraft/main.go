// Command envgraft gives pods their application's environment.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal ends a drain that takes too long.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Run(ctx, os.Args, cmdutil.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
