package process

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/envgraft/envgraft/internal/api"
)

// maxResident is what hostile reviews may make of the server, together.
const maxResident = 192 << 20

// server is the program, serving standalone.
type server struct {
	url    string
	client *http.Client
	pid    int
}

// serve builds and starts the program.
func serve(tb testing.TB) *server {
	tb.Helper()
	dir := tb.TempDir()
	program := filepath.Join(dir, "envgraft")
	if out, err := exec.CommandContext(tb.Context(), "go", "build", "-o", program, "../../cmd/envgraft").CombinedOutput(); err != nil {
		tb.Fatalf("go build: %v\n%s", err, out)
	}
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		tb.Fatal(err)
	}
	ca := filepath.Join(dir, "ca.crt")
	parameters := filepath.Join(dir, "parameters", "popapps", "myapp", api.DefaultEnvironment)
	if err := errors.Join(os.MkdirAll(parameters, 0o755), os.WriteFile(filepath.Join(parameters, "app.json"), []byte(manyKeys()), 0o600)); err != nil {
		tb.Fatal(err)
	}
	command := exec.CommandContext(tb.Context(), program, "serve", "--standalone", "--listen", address, "--ca-file", ca,
		"--parameters", filepath.Join(dir, "parameters"))
	command.Env = append(os.Environ(), "GOMEMLIMIT="+chartMemory(tb))
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if tb.Failed() {
			tb.Logf("the server's log ends with:\n%s", log.Bytes()[max(0, log.Len()-4096):])
		}
	})
	s := &server{url: "https://" + address, pid: command.Process.Pid}
	var last error
	err = wait.PollUntilContextTimeout(tb.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		last = s.connect(ctx, ca)
		return last == nil, nil
	})
	if err != nil {
		tb.Fatalf("the server does not answer: %v", last)
	}
	return s
}

// connect makes a client and has it answered.
func (s *server) connect(ctx context.Context, ca string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	s.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // nothing of it was wanted
	return nil
}

// post sends a review and returns its answer.
func (s *server) post(ctx context.Context, path, body string) (code int, answer string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path+"?timeout=20s", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// memory reads a line of /proc/PID/status, as VmHWM, in bytes.
func (s *server) memory(tb testing.TB, name string) int64 {
	tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		tb.Skipf("this machine tells nothing of processes: %v", err)
	}
	match := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(status)
	if match == nil {
		tb.Fatalf("no %s in %s", name, status)
	}
	kib, err := strconv.ParseInt(string(match[1]), 10, 64)
	if err != nil {
		tb.Fatal(err)
	}
	return kib << 10
}

// review is a whole one as an API server sends it.
func review(group, version, kind, resource, object string) string {
	return fmt.Sprintf(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u1","kind":{"group":%q,"version":%q,"kind":%q},`+
		`"resource":{"group":%q,"version":%q,"resource":%q},"namespace":"popapps","operation":"CREATE","object":%s}}`, group, version, kind, group, version, resource, object)
}

func podReview(object string) string { return review("", "v1", "Pod", "pods", object) }
func workReview(object string) string {
	return review("apps", "v1", "Deployment", "deployments", object)
}

// TestHostileReviews sends all hostile reviews, four at a time, and holds the
// server to its memory and an honest pod's answer to 2 s.
func TestHostileReviews(t *testing.T) {
	s := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var attackers sync.WaitGroup
	queue := make(chan attack)
	for range 4 {
		attackers.Go(func() {
			for a := range queue {
				code, answer, err := s.post(ctx, a.path, a.body)
				if err != nil || code != http.StatusOK && code != http.StatusBadRequest || len(answer) > 2<<20 {
					t.Errorf("%s: %d, %d bytes, %v: %.300s", a.name, code, len(answer), err, answer)
				}
			}
		})
	}
	honest := podReview(`{` + optedIn + `,"spec":{"containers":[{"name":"app"}]}}`)
	over := make(chan struct{})
	slowest := make(chan time.Duration, 1)
	go func() {
		var longest time.Duration
		for {
			select {
			case <-over:
				slowest <- longest
				return
			default:
			}
			start := time.Now()
			code, answer, err := s.post(ctx, api.PodsWebhook, honest)
			if err != nil || code != http.StatusOK || !strings.Contains(answer, `"patch":"`) {
				t.Errorf("an honest pod got %d, %v: %.300s", code, err, answer)
			}
			longest = max(longest, time.Since(start))
		}
	}()
	for a := range hostile() {
		queue <- a
	}
	close(queue)
	attackers.Wait()
	close(over)
	if wait := <-slowest; wait > 2*time.Second {
		t.Errorf("an honest pod waited %s beside hostile reviews", wait)
	}
	peak := s.memory(t, "VmHWM")
	t.Logf("at most %d MiB resident, %d MiB now", peak>>20, s.memory(t, "VmRSS")>>20)
	if peak > maxResident {
		t.Errorf("hostile reviews made the server take %d MiB, and it may take %d", peak>>20, maxResident>>20)
	}
}
