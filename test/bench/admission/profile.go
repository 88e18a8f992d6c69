package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// profiled is the program itself in this process, with its CPU profiled.
const profiled = "profiled"

func serveProfiled(ctx context.Context, file string, args []string) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	if code := cli.Run(ctx, append([]string{"envgraft"}, args...), cmdutil.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}); code != 0 {
		return fmt.Errorf("envgraft ended with %d", code)
	}
	return nil
}
