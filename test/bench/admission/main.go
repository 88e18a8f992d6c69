// Command admission measures what an admission costs the server, beside peers
// that do less or do it as usual, in alternate rounds on one machine.
//
//	go run ./test/bench/admission
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// options bound the measurement.
type options struct {
	rounds, requests, connections int
	containers                    int
	timeout                       time.Duration
	envgraft                      string
	// profile is where the CPU profile of envgraft's turns goes; empty for none.
	profile string
	// only names the servers that take part, comma separated; empty for all.
	only string
}

// takes says that a server takes part.
func (o options) takes(name string) bool {
	return o.only == "" || slices.Contains(strings.Split(o.only, ","), name)
}

func main() {
	if err := run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	var peer, listen, caFile string
	flag.IntVar(&o.rounds, "rounds", 5, "`rounds`, in each of which every server has its turn")
	flag.IntVar(&o.requests, "requests", 4000, "`reviews` a server and round")
	flag.IntVar(&o.connections, "connections", 8, "`connections` of the load generator")
	flag.IntVar(&o.containers, "containers", 2, "`containers` of the pod")
	flag.DurationVar(&o.timeout, "timeout", 5*time.Minute, "the most that all of it takes")
	flag.StringVar(&o.envgraft, "envgraft", "", "a `program` to measure; built from here where it is empty")
	flag.StringVar(&o.profile, "profile", "", "the `file` that a CPU profile of envgraft goes to")
	flag.StringVar(&o.only, "only", "", "the `servers` that take part, comma separated: floor, parse, envgraft, usual")
	flag.StringVar(&peer, "peer", "", "serve as this peer, and measure nothing")
	flag.StringVar(&listen, "listen", "", "the peer's `address`")
	flag.StringVar(&caFile, "ca-file", "", "the peer's CA")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	switch peer {
	case "":
		return measure(ctx, o, os.Stdout)
	case profiled:
		return serveProfiled(ctx, o.profile, flag.Args())
	}
	return servePeer(ctx, peer, listen, caFile)
}

// sample is one server's turn.
type sample struct {
	cpu      time.Duration // a review
	rate     float64
	p50, p99 time.Duration
}

// measure runs the rounds and prints the table.
func measure(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "admission")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	servers, err := startAll(ctx, dir, o)
	if err != nil {
		return err
	}
	defer stopAll(servers)
	review := podReview(o.containers)
	samples := map[string][]sample{}
	for round := range o.rounds + 1 {
		for _, s := range servers {
			got, err := s.load(ctx, review, o)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if round > 0 { // the first warms up
				samples[s.name] = append(samples[s.name], got)
			}
		}
	}
	if _, err := fmt.Fprintf(out, "%d containers, a review of %d bytes, %d connections, %d rounds of %d reviews\n\n",
		o.containers, len(review), o.connections, o.rounds, o.requests); err != nil {
		return err
	}
	return printTable(out, servers, samples)
}

func printTable(out io.Writer, servers []*server, samples map[string][]sample) error {
	var text strings.Builder
	text.WriteString("server\tCPU µs a review\tof the floor\treviews/s\tp50 µs\tp99 µs\tRSS MiB\tpeak MiB\t\n")
	var floor float64
	for _, s := range servers {
		cpu := median(samples[s.name], func(s sample) float64 { return float64(s.cpu.Nanoseconds()) / 1000 })
		if floor == 0 {
			floor = cpu
		}
		now, peak, err := s.memory()
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s\t%.1f\t%.2f\t%.0f\t%.0f\t%.0f\t%d\t%d\t\n", s.name, cpu, cpu/floor,
			median(samples[s.name], func(s sample) float64 { return s.rate }),
			median(samples[s.name], func(s sample) float64 { return float64(s.p50.Microseconds()) }),
			median(samples[s.name], func(s sample) float64 { return float64(s.p99.Microseconds()) }),
			now>>20, peak>>20)
	}
	table := tabwriter.NewWriter(out, 2, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := io.WriteString(table, text.String()); err != nil {
		return err
	}
	return table.Flush()
}

// median of an odd or even number of samples, the lower of two.
func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// startAll starts the peers and the program.
func startAll(ctx context.Context, dir string, o options) ([]*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	serve := []string{"serve", "--standalone", "--parameters", filepath.Join(dir, "parameters"), "--manifests", filepath.Join(dir, "manifests")}
	switch {
	case o.profile != "":
		o.envgraft, serve = self, append([]string{"-peer", profiled, "-profile", o.profile}, serve...)
	case o.envgraft == "":
		o.envgraft = filepath.Join(dir, "envgraft")
		if err := build(ctx, o.envgraft); err != nil {
			return nil, err
		}
	}
	if err := writeFacts(dir); err != nil {
		return nil, err
	}
	var servers []*server
	for _, c := range []struct {
		name, program string
		args          []string
	}{
		{"floor", self, []string{"-peer", "floor"}},
		{"parse", self, []string{"-peer", "parse"}},
		{"envgraft", o.envgraft, serve},
		{"usual", self, []string{"-peer", "usual"}},
	} {
		if !o.takes(c.name) {
			continue
		}
		s, err := start(ctx, dir, c.name, c.program, c.args)
		if err != nil {
			stopAll(servers)
			return nil, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func stopAll(servers []*server) {
	for _, s := range servers {
		s.stop()
	}
}
