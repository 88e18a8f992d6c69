//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/envgraft/envgraft/test/ssmfake"
)

// toTry is what make kind prints in the end.
const toTry = `
The cluster %[1]q has the External Secrets Operator, %[2]s,
a fake of SSM, envgraft, and the app of examples/fastapi, whose program answers with
its environment. make adds the context "kind-%[1]s" to your kubeconfig now. Then:

  kubectl get pods,externalsecrets -n popapps
  kubectl describe pod -n popapps -l app.kubernetes.io/name=myapp     # what was injected

  # The environment of the process
  kubectl port-forward -n popapps deployment/myapp 8080 &
  curl -s localhost:8080

  # Where each variable is from, and the links of the chain
  go run ./cmd/envgraft explain -n popapps deploy/myapp
  go run ./cmd/envgraft doctor -n popapps deploy/myapp

  # A rotation, as aws ssm put-parameter makes it
  kubectl port-forward -n ssm service/ssmfake 4566 &
  AWS_ACCESS_KEY_ID=fake AWS_SECRET_ACCESS_KEY=fake aws ssm put-parameter \
    --endpoint-url http://localhost:4566 --region %[3]s --overwrite --type SecureString \
    --name /popapps/myapp/stage/app --value '{"DATABASE_URL":"postgres://changed","API_KEY":"changed","DEBUG":"false"}'
  kubectl get events -n popapps --watch

  make kind-down%[4]s     # deletes the cluster
`

// TestKind makes a cluster for a person, and leaves it: make kind calls it.
func TestKind(t *testing.T) {
	if os.Getenv("E2E_KIND") != "1" {
		t.Skip("E2E_KIND is not 1: make kind sets it, to bring up a cluster to try envgraft in")
	}
	step := progress(6)
	step("creating the kind cluster, and building the fake of SSM")
	b := newBench(t)
	step("starting the fake of SSM")
	b.startSSM(t)
	step("building envgraft's image")
	b.buildEnvgraft(t)
	step("starting the External Secrets Operator")
	b.startESO(t)
	reloader := "no Reloader (set RELOADER_IMAGE)"
	if b.startReloader(t) {
		reloader = "Reloader"
	}
	step("installing envgraft")
	b.installForPeople(t, "15s")
	step("deploying the example app")
	example := filepath.Join(b.root, "examples", "fastapi")
	parameter, err := os.ReadFile(filepath.Join(example, "parameters", "popapps", "myapp", "stage", "app.json"))
	if err != nil {
		t.Fatal(err)
	}
	b.ssm.put(t, "/popapps/myapp/stage/app", string(parameter))
	for _, file := range []string{
		filepath.Join(example, "namespace.yaml"), filepath.Join(example, "configmap.yaml"),
		b.runnable(t, "examples/fastapi/deployment.yaml"),
	} {
		b.kubectl(t, "apply", "-f", file)
	}
	b.rolledOut(t, "popapps", "deployment/myapp")
	named := ""
	if b.cluster != defaultKindCluster {
		named = " KIND_CLUSTER=" + b.cluster
	}
	if _, err := fmt.Fprintf(os.Stdout, toTry, b.cluster, reloader, ssmfake.Region, named); err != nil {
		t.Error(err)
	}
}

// defaultKindCluster is KIND_CLUSTER's default in the Makefile.
const defaultKindCluster = "envgraft"

// progress returns what prints the steps of something that takes minutes.
func progress(steps int) func(what string) {
	began, done := time.Now(), 0
	return func(what string) {
		done++
		fmt.Fprintf(os.Stderr, "[%d/%d, after %s] %s\n", done, steps, time.Since(began).Round(time.Second), what)
	}
}
