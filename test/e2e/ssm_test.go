//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/envgraft/envgraft/test/ssmfake"
)

const (
	ssmNamespace = "ssm"
	ssmfakeImage = "localhost/envgraft-e2e/ssmfake:e2e"
	// ssmEndpoint is where pods find the fake.
	ssmEndpoint = "http://ssmfake.ssm.svc.cluster.local:4566"
)

// parameters is the Parameter Store of the tests, as a pipeline sees it.
type parameters struct {
	client *ssm.Client
	// endpoint is where a command on this machine finds it.
	endpoint string
}

// startSSM runs the fake in the cluster and opens a way to it.
func (b *bench) startSSM(t *testing.T) {
	t.Helper()
	b.apply(t, "ssmfake.yaml", map[string]string{"Namespace": ssmNamespace, "Image": ssmfakeImage})
	b.rolledOut(t, ssmNamespace, "deployment/ssmfake")
	endpoint := "http://" + b.forward(t, ssmNamespace, "service/ssmfake", 4566)
	b.ssm = parameters{ssmfake.NewClient(endpoint), endpoint}
}

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// forward opens a loopback port to a Service and returns its address.
func (b *bench) forward(t *testing.T, namespace, target string, port int) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, b.kubectlBin, "port-forward", "-n", namespace, target, fmt.Sprintf(":%d", port))
	cmd.Env = append(os.Environ(), "KUBECONFIG="+b.kubeconfig)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed on purpose
	})
	addresses := make(chan string, 1)
	go func() {
		defer close(addresses)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if match := forwarding.FindStringSubmatch(lines.Text()); match != nil {
				addresses <- match[1]
			}
		}
	}()
	select {
	case address, ok := <-addresses:
		if !ok {
			t.Fatalf("kubectl port-forward to %s ended", target)
		}
		return address
	case <-time.After(30 * time.Second):
		t.Fatalf("kubectl port-forward to %s said nothing in 30s", target)
	}
	return ""
}

// put stores a value as a SecureString, new or not.
func (p parameters) put(t *testing.T, path, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := p.client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &path, Value: &value, Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true),
	}); err != nil {
		t.Fatalf("cannot put parameter %q: %v", path, err)
	}
}

// putJSON stores an object of strings.
func (p parameters) putJSON(t *testing.T, path string, values map[string]string) {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	p.put(t, path, string(text))
}
