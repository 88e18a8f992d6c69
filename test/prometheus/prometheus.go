// Package prometheus runs the Prometheus of its own Go module, pinned in
// test/tools, so that rules and dashboards are judged by what will read them.
package prometheus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// noDiscovery leaves service discovery out, with it the clients of every
// cloud: the tests name their targets, and the build takes half the time.
const noDiscovery = "remove_all_sd"

// Build builds "prometheus" or "promtool" from the root of the repository at
// that path, and returns the program. What is built already is not built again.
func Build(ctx context.Context, root, name string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("cannot find the repository: %w", err)
	}
	program := filepath.Join(root, ".cache", "prometheus", name)
	command := exec.CommandContext(ctx, "go", "build", "-modfile=test/tools/prometheus.mod", "-tags="+noDiscovery,
		"-ldflags=-s -w", "-o", program, "github.com/prometheus/prometheus/cmd/"+name)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", name, err, out)
	}
	return program, nil
}

// Server is a Prometheus that runs.
type Server struct {
	url string
	log bytes.Buffer
}

// Start runs the program on a configuration file until ctx is done, with its
// data in dir, and waits until it answers. stopped is closed after its end.
func Start(ctx context.Context, program, configuration, dir string) (server *Server, stopped <-chan struct{}, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("cannot find a free port: %w", err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, nil, fmt.Errorf("cannot free a port: %w", err)
	}
	s := &Server{url: "http://" + address}
	command := exec.CommandContext(ctx, program, "--config.file="+configuration, "--storage.tsdb.path="+dir, "--web.listen-address="+address)
	command.Stdout, command.Stderr = &s.log, &s.log
	if err := command.Start(); err != nil {
		return nil, nil, fmt.Errorf("cannot start Prometheus: %w", err)
	}
	end := make(chan struct{})
	go func() {
		defer close(end)
		_ = command.Wait() // it is killed
	}()
	return s, end, s.waitReady(ctx, end)
}

func (s *Server) waitReady(ctx context.Context, end <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return fmt.Errorf("the server ended:\n%s", s.log.String())
		case <-ctx.Done():
			return errors.New("the server was not ready within a minute")
		case <-tick.C:
		}
		if s.get(ctx, "/-/ready", nil) == nil {
			return nil
		}
	}
}

// Query returns how many series an expression has now.
func (s *Server) Query(ctx context.Context, expression string) (int, error) {
	var answer struct {
		Data struct {
			Result []json.RawMessage `json:"result"`
		} `json:"data"`
	}
	err := s.get(ctx, "/api/v1/query?query="+url.QueryEscape(expression), &answer)
	return len(answer.Data.Result), err
}

// Rule is one that was evaluated.
type Rule struct {
	Name, Query, Health, LastError string
}

// Rules returns all rules of all groups.
func (s *Server) Rules(ctx context.Context) ([]Rule, error) {
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []Rule `json:"rules"`
			} `json:"groups"`
		} `json:"data"`
	}
	err := s.get(ctx, "/api/v1/rules", &answer)
	var rules []Rule
	for _, group := range answer.Data.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, err
}

// get reads an answer into to, unless that is nil.
func (s *Server) get(ctx context.Context, path string, to any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return fmt.Errorf("cannot ask for %q: %w", path, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("cannot ask Prometheus: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		return fmt.Errorf("cannot read the answer to %q: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body.String())
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(body.Bytes(), to); err != nil {
		return fmt.Errorf("cannot read the answer to %q: %w", path, err)
	}
	return nil
}
