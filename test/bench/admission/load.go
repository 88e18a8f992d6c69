package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/envgraft/envgraft/internal/api"
)

// server is a process that answers reviews.
type server struct {
	name      string
	url       string
	transport *http.Transport
	client    *http.Client
	command   *exec.Cmd
}

// program is what is released.
const program = "bin/envgraft"

func build(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "make", "build").CombinedOutput()
	if err != nil {
		return fmt.Errorf("make build: %w\n%s", err, out)
	}
	return nil
}

// writeFacts gives the program a parameter and a ConfigMap.
func writeFacts(dir string) error {
	for name, content := range map[string]string{
		"parameters/popapps/myapp/stage/app.json": `{"API_KEY":"x","DATABASE_URL":"y","VAR_3":"z"}`,
		"manifests/facts.yaml": "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: popapps\n  labels: {envgraft.dev/inject: enabled}\n---\n" +
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: myapp-config, namespace: popapps}\ndata: {LOG_LEVEL: info, VAR_5: x}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start runs a server and waits for its first answer.
func start(ctx context.Context, dir, speak, name, program string, args []string) (*server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	ca := filepath.Join(dir, name+".crt")
	command := exec.CommandContext(ctx, program, append(args, "--listen", address, "--ca-file", ca)...)
	var log bytes.Buffer
	command.Stderr = &log
	if err := command.Start(); err != nil {
		return nil, err
	}
	s := &server{name: name, url: "https://" + address + api.PodsWebhook, command: command}
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err = s.connect(ctx, ca, speak); err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("%s does not answer: %w; its log:\n%s", name, err, log.String())
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // polled until the deadline
	}
}

// stop lets a server write its profile.
func (s *server) stop() {
	if s.command.Process.Signal(syscall.SIGINT) == nil {
		time.AfterFunc(10*time.Second, func() { _ = s.command.Process.Kill() })
	}
	_ = s.command.Wait()
}

func (s *server) connect(ctx context.Context, ca, speak string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	s.transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 1000,
	}
	switch speak {
	case kept:
	case fresh:
		s.transport.DisableKeepAlives = true
	case resumed:
		s.transport.DisableKeepAlives = true
		s.transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	case http2:
		s.transport.ForceAttemptHTTP2 = true
	}
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: s.transport}
	if _, err := s.post(ctx, podReview(1)); err != nil {
		return err
	}
	second, err := s.post(ctx, podReview(1))
	if err == nil && (second.resumed != (speak == resumed) || (second.protocol == "HTTP/2.0") != (speak == http2)) {
		err = fmt.Errorf("-speak %s: it speaks %s, and resumes: %t", speak, second.protocol, second.resumed)
	}
	return err
}

// spoken is how a review was answered.
type spoken struct {
	protocol string
	resumed  bool // the TLS session of another connection
}

// post has one review answered.
func (s *server) post(ctx context.Context, review []byte) (spoken, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"?timeout=10s", bytes.NewReader(review))
	if err != nil {
		return spoken{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return spoken{}, err
	}
	answer, err := io.ReadAll(response.Body)
	if closed := response.Body.Close(); err == nil {
		err = closed
	}
	if err == nil && (response.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"allowed":true`))) {
		err = fmt.Errorf("it answered %s: %.300s", response.Status, answer)
	}
	return spoken{response.Proto, response.TLS.DidResume}, err
}

// load sends one turn's reviews.
func (s *server) load(ctx context.Context, review []byte, o options) (sample, error) {
	before, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	took := make([][]time.Duration, o.connections)
	group, ctx := errgroup.WithContext(ctx)
	for c := range o.connections {
		group.Go(func() error {
			for n := range o.requests / o.connections {
				begun := time.Now()
				if o.rate > 0 {
					// A late review counts from when it was due, or a slow answer would
					// hide those that waited behind it.
					begun = start.Add(time.Duration(float64(n*o.connections+c) / o.rate * float64(time.Second)))
					time.Sleep(time.Until(begun)) //nolint:forbidigo // the rate is what is asked for
				}
				if _, err := s.post(ctx, review); err != nil {
					return err
				}
				took[c] = append(took[c], time.Since(begun))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return sample{}, err
	}
	wall := time.Since(start)
	after, err := s.cpu()
	if err != nil {
		return sample{}, err
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	return sample{
		cpu:  (after - before) / time.Duration(len(all)),
		rate: float64(len(all)) / wall.Seconds(),
		p50:  all[len(all)/2], p99: all[len(all)*99/100],
	}, nil
}

// cpu is what the process has used, of all its threads, in the nanoseconds that
// the scheduler counts.
func (s *server) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.command.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("/proc tells nothing of %s: %w", s.name, err)
	}
	var total time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n)
	}
	return total, nil
}

// memory is what the process holds now, of that what no file is behind, and what
// it has held at most, in bytes.
func (s *server) memory() (now, anonymous, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0, 0, 0, err
	}
	for line := range strings.Lines(string(status)) {
		for name, to := range map[string]*int64{"VmRSS:": &now, "RssAnon:": &anonymous, "VmHWM:": &peak} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				if _, err := fmt.Sscan(rest, to); err != nil {
					return 0, 0, 0, err
				}
				*to <<= 10
			}
		}
	}
	return now, anonymous, peak, nil
}
