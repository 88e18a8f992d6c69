// Command admission measures what an admission costs the server, beside peers
// that do less or do it as usual, in alternate rounds on one machine.
//
//	go run ./test/bench/admission
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/envgraft/envgraft/internal/config"
)

// options bound the measurement.
type options struct {
	rounds, requests, connections int
	containers                    int
	// rate is how many reviews a second are sent, whatever the answers; 0 sends
	// the next as soon as the last is answered.
	rate float64
	// speak is how reviews are sent: one of the constants below.
	speak    string
	timeout  time.Duration
	envgraft string
	// profile is where the CPU profile of envgraft's turns goes; empty for none.
	profile string
	// sweep is what is measured at several values, and csv where that goes.
	sweep, csv string
	// only names the servers that take part, comma separated; empty for all.
	only string
}

// How reviews are sent. API servers keep 25 connections that speak HTTP/1.1, and
// open others as they need them, which resume no TLS session.
const (
	kept    = "kept"    // by connections that are kept
	fresh   = "fresh"   // each by a connection of its own
	resumed = "resumed" // the same, of the TLS session of the one before
	http2   = "http2"   // by one connection that speaks HTTP/2
)

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
	flag.Float64Var(&o.rate, "rate", 0, "`reviews` a second that are sent, answered or not; 0 sends the next after the last's answer")
	flag.StringVar(&o.speak, "speak", kept, "how reviews are sent: kept, fresh, resumed or http2 `connections`")
	flag.StringVar(&o.sweep, "sweep", "", "measure at each of several `values`, as in containers=1,10,100 or connections=1,8,64")
	flag.StringVar(&o.csv, "csv", "", "the `file` that a sweep's CPU of each server goes to")
	flag.DurationVar(&o.timeout, "timeout", 5*time.Minute, "the most that all of it takes")
	flag.StringVar(&o.envgraft, "envgraft", "", "a `program` to measure; built by make where it is empty")
	flag.StringVar(&o.profile, "profile", "", "the `file` that a CPU profile of envgraft goes to")
	flag.StringVar(&o.only, "only", "", "the `servers` that take part, comma separated: floor, parse, envgraft, usual")
	flag.StringVar(&peer, "peer", "", "serve as this peer, and measure nothing")
	flag.StringVar(&listen, "listen", "", "the peer's `address`")
	flag.StringVar(&caFile, "ca-file", "", "the peer's CA")
	flag.Parse()
	if ways := []string{kept, fresh, resumed, http2}; !slices.Contains(ways, o.speak) {
		return fmt.Errorf("-speak is %q: use one of %s", o.speak, strings.Join(ways, ", "))
	}
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
	return sweep(ctx, out, servers, o)
}

// sweep measures once, or at each of the values that were asked for.
func sweep(ctx context.Context, out io.Writer, servers []*server, o options) error {
	name, values, err := o.values()
	if err != nil {
		return err
	}
	rows := []string{cmp.Or(name, "run") + ",server,cpu_us"}
	for _, value := range values {
		switch name {
		case "containers":
			o.containers = value
		case "connections":
			o.connections = value
		}
		samples, err := play(ctx, out, servers, o)
		if err != nil {
			return err
		}
		for _, s := range servers {
			rows = append(rows, fmt.Sprintf("%d,%s,%.1f", value, s.name, cpuOf(samples[s.name])))
		}
		if err := printTable(out, servers, samples); err != nil {
			return err
		}
	}
	if o.csv == "" {
		return nil
	}
	return os.WriteFile(o.csv, []byte(strings.Join(rows, "\n")+"\n"), 0o644)
}

// values reads the sweep; without one there is a single value, of nothing.
func (o options) values() (name string, values []int, err error) {
	if o.sweep == "" {
		return "", []int{0}, nil
	}
	name, list, _ := strings.Cut(o.sweep, "=")
	if name != "containers" && name != "connections" {
		return "", nil, fmt.Errorf("-sweep is %q: use containers=… or connections=…", o.sweep)
	}
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return "", nil, fmt.Errorf("-sweep is %q: use numbers, comma separated", o.sweep)
		}
		values = append(values, n)
	}
	return name, values, nil
}

// play has the servers take turns.
func play(ctx context.Context, out io.Writer, servers []*server, o options) (map[string][]sample, error) {
	review := podReview(o.containers)
	samples := map[string][]sample{}
	for round := range o.rounds + 1 {
		for _, s := range servers {
			got, err := s.load(ctx, review, o)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if round > 0 { // the first warms up
				samples[s.name] = append(samples[s.name], got)
			}
		}
	}
	how := "each after the last's answer"
	if o.rate > 0 {
		how = fmt.Sprintf("%.0f a second", o.rate)
	}
	_, err := fmt.Fprintf(out, "\n%d containers, a review of %d bytes, %d connections, %d rounds of %d reviews, %s\n\n",
		o.containers, len(review), o.connections, o.rounds, o.requests, how)
	return samples, err
}

// cpuOf is the median of what a review cost, in microseconds.
func cpuOf(samples []sample) float64 {
	return median(samples, func(s sample) float64 { return float64(s.cpu.Nanoseconds()) / 1000 })
}

func printTable(out io.Writer, servers []*server, samples map[string][]sample) error {
	var text strings.Builder
	text.WriteString("server\tCPU µs a review\tof the floor\treviews/s\tp50 µs\tp99 µs\tRSS MiB\tanonymous\tpeak\t\n")
	var floor float64
	for _, s := range servers {
		cpu := cpuOf(samples[s.name])
		if floor == 0 {
			floor = cpu
		}
		now, anonymous, peak, err := s.memory()
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s\t%.1f\t%.2f\t%.0f\t%.0f\t%.0f\t%d\t%d\t%d\t\n", s.name, cpu, cpu/floor,
			median(samples[s.name], func(s sample) float64 { return s.rate }),
			median(samples[s.name], func(s sample) float64 { return float64(s.p50.Microseconds()) }),
			median(samples[s.name], func(s sample) float64 { return float64(s.p99.Microseconds()) }),
			now>>20, anonymous>>20, peak>>20)
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
		o.envgraft = program
		if err := build(ctx); err != nil {
			return nil, err
		}
	}
	if err := writeFacts(dir); err != nil {
		return nil, err
	}
	if o.speak == http2 { // off by default
		file := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(file, []byte("apiVersion: "+config.APIVersion+"\nkind: Configuration\nserver: {http2: true}\n"), 0o600); err != nil {
			return nil, err
		}
		serve = append(serve, "--config", file)
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
		s, err := start(ctx, dir, o.speak, c.name, c.program, c.args)
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
