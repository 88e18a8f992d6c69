// Package integration holds the tests against a real API server: envtest
// starts kube-apiserver and etcd, and the server under test is the command
// "envgraft serve" with the webhook configurations of deploy/install.yaml.
package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/canary"
	"github.com/envgraft/envgraft/test/rights"
	"github.com/envgraft/envgraft/test/ssmfake"
)

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS names no kube-apiserver: run make test-integration, which finds or builds one")
		os.Exit(1)
	}
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot stop:", err)
		code = 1
	}
	os.Exit(code)
}

// bench is an API server with envgraft serving its webhooks.
type bench struct {
	env     *envtest.Environment
	client  client.Client
	ssm     *ssmfake.Fake
	ssmHTTP *httptest.Server
	// webhooks is where the server answers reviews.
	webhooks string
	http     *http.Client
	log      *syncBuffer
	stop     context.CancelFunc
	stopped  chan error
}

// shared is started by the first test that asks for it: it takes seconds.
var shared struct {
	once  sync.Once
	bench *bench
	err   error
}

// start returns the shared bench.
func start(t *testing.T) *bench {
	t.Helper()
	shared.once.Do(func() { shared.bench, shared.err = newBench() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.bench
}

func stopShared() error {
	b := shared.bench
	if b == nil {
		return nil
	}
	b.stop()
	defer b.ssmHTTP.Close()
	select {
	case err := <-b.stopped:
		if err != nil {
			err = fmt.Errorf("the server ended: %w; its log:\n%s", err, b.log)
		}
		if told := canary.Find(b.log.String()); len(told) > 0 {
			err = errors.Join(err, fmt.Errorf("the server's log tells values of parameters: %q", told))
		}
		return errors.Join(err, b.env.Stop())
	case <-time.After(time.Minute):
		return errors.Join(errors.New("the server did not stop within a minute; its log:\n"+b.log.String()), b.env.Stop())
	}
}

func newBench() (*bench, error) {
	configuration, err := installedWebhooks()
	if err != nil {
		return nil, err
	}
	b := &bench{ssm: ssmfake.New(), log: &syncBuffer{}, stopped: make(chan error, 1)}
	b.ssmHTTP = httptest.NewServer(b.ssm)
	b.env = &envtest.Environment{WebhookInstallOptions: envtest.WebhookInstallOptions{
		MutatingWebhooks: []*admissionregistrationv1.MutatingWebhookConfiguration{configuration},
	}}
	restConfig, err := b.env.Start()
	if err != nil {
		return nil, fmt.Errorf("cannot start the API server: %w", err)
	}
	if b.client, err = client.New(restConfig, client.Options{}); err != nil {
		return nil, err
	}
	if err := errors.Join(b.serve(), b.waitReady()); err != nil {
		return b, err
	}
	return b, b.become("admin", envtest.User{Name: "admin", Groups: []string{"system:masters"}})
}

// become has kubectl, and commands that are not the server, call the API server
// as somebody.
func (b *bench) become(file string, user envtest.User) error {
	added, err := b.env.AddUser(user, nil)
	if err != nil {
		return err
	}
	kubeconfig, err := added.KubeConfig()
	if err != nil {
		return err
	}
	file = filepath.Join(b.env.WebhookInstallOptions.LocalServingCertDir, file)
	return errors.Join(os.WriteFile(file, kubeconfig, 0o600), os.Setenv("KUBECONFIG", file))
}

// installedWebhooks reads what people install.
func installedWebhooks() (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	data, err := os.ReadFile("../../deploy/install.yaml")
	if err != nil {
		return nil, err
	}
	for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
		configuration := &admissionregistrationv1.MutatingWebhookConfiguration{}
		if err := yaml.Unmarshal(document, configuration); err != nil {
			return nil, err
		}
		if configuration.Kind == "MutatingWebhookConfiguration" {
			return configuration, nil
		}
	}
	return nil, errors.New("deploy/install.yaml holds no MutatingWebhookConfiguration")
}

// serve runs the command as the chart's Deployment does, with its rights, and
// with the certificate that envtest's webhook configuration trusts.
func (b *bench) serve() error {
	if err := rights.Grant(context.Background(), b.client, "../../deploy/install.yaml"); err != nil {
		return err
	}
	if err := b.become("server", rights.User()); err != nil {
		return err
	}
	options := b.env.WebhookInstallOptions
	dir := options.LocalServingCertDir
	listen := net.JoinHostPort(options.LocalServingHost, fmt.Sprint(options.LocalServingPort))
	b.webhooks = "https://" + listen
	ca, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(append(options.LocalServingCAData, ca...))
	b.http = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}

	config := fmt.Sprintf(`apiVersion: config.envgraft.dev/v1alpha1
kind: Configuration
environment: stage
aws: {region: eu-central-1, ssmEndpoint: %q}
facts: {admissionTimeout: 10s, negativeTTL: 1ms, parameterTTL: 1ms, configMapTTL: 1ms}
externalSecrets: {enabled: false}
server:
  listen: %q
  metricsListen: 127.0.0.1:0
  healthListen: 127.0.0.1:0
  drainDelay: 0s
  certificates: {certFile: %q, keyFile: %q}
`, b.ssmHTTP.URL, listen, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"POD_NAMESPACE":     "default",
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	go func() {
		command := cli.New(cmdutil.Streams{In: strings.NewReader(""), Out: b.log, Err: b.log})
		command.SetArgs([]string{"serve", "--config", filepath.Join(dir, "config.yaml"), "--log-level", "debug"})
		b.stopped <- command.ExecuteContext(ctx)
	}()
	return nil
}

// waitReady waits for the webhook to answer.
func (b *bench) waitReady() error {
	var last error
	err := wait.PollUntilContextTimeout(context.Background(), 50*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		response, err := b.http.Post(b.webhooks+api.PodsWebhook, "application/json", strings.NewReader("{}"))
		if last = err; last != nil {
			return false, nil //nolint:nilerr // polled again
		}
		return true, response.Body.Close()
	})
	if err != nil {
		return fmt.Errorf("the webhook does not answer: %w: %w; its log:\n%s", err, last, b.log)
	}
	return nil
}

// namespace makes one of its own for a test.
func (b *bench) namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "it-", Labels: labels}}
	if err := b.client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// run calls kubectl and returns what a person sees.
func (b *bench) run(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	//nolint:gosec // the program is the one that the assets bring
	command := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	command.Stdin = strings.NewReader(stdin)
	var out, errOut bytes.Buffer
	command.Stdout, command.Stderr = &out, &errOut
	err = command.Run()
	return out.String(), errOut.String(), err
}

// mustRun is run for what must work.
func (b *bench) mustRun(t *testing.T, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := b.run(t, stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout, stderr
}

// syncBuffer is a log that is written and read at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
