// Command demo shows on the example app what envgraft does to a pod: it starts
// the server on a free port of this machine, sends it the pod as an API server
// would, and fails where a variable does not come from the tier that should win.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// The demo's time: a first build takes minutes, all the rest seconds.
const (
	buildTimeout = 10 * time.Minute
	demoTimeout  = 60 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	binary, err := build(ctx, root)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()

	example := newExample(root)
	server, err := startServer(ctx, binary, example)
	if err != nil {
		return err
	}
	defer server.stop()
	pod, err := example.pod()
	if err != nil {
		return err
	}

	headingf("The pod, sent to https://%s/mutate/pods", server.address)
	patched, err := server.admit(ctx, pod)
	if err != nil {
		return err
	}
	if err := printDiff(pod, patched); err != nil {
		return err
	}
	headingf("Where each variable comes from: envgraft explain")
	if err := explain(ctx, binary, example); err != nil {
		return err
	}
	headingf("Checked by kubelet's rules on the patched pod")
	return example.check(patched)
}

// moduleRoot finds the checkout from anywhere in it.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// build builds bin/envgraft. Go does nothing where it is current.
func build(ctx context.Context, root string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	binary := filepath.Join(root, "bin", "envgraft")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/envgraft")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does, which shares its cache
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("cannot build %s: %w", binary, err)
	}
	return binary, nil
}

// explain prints what the command says of the same pod.
func explain(ctx context.Context, binary string, e example) error {
	command := exec.CommandContext(ctx, binary, "explain", "--parameters", e.parameters,
		"-f", e.file("namespace.yaml"), "-f", e.file("configmap.yaml"), "-f", e.file("pod.yaml"))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}
