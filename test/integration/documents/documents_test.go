// Package documents runs the commands of the documentation against a real API
// server: kubectl, helm and envgraft as a person has them on the PATH, with a
// fake of SSM. There are no nodes, so that nothing becomes of a pod.
package documents

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/documents"
	"github.com/envgraft/envgraft/test/ssmfake"
)

// runBy is how the documents name this package.
const runBy = "test/integration/documents"

// asEnvgraft has this program be envgraft: it need not be built again.
const asEnvgraft = "DOCUMENTS_TEST_IS_ENVGRAFT"

func TestMain(m *testing.M) {
	if os.Getenv(asEnvgraft) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		code := cli.Main(ctx, os.Args[1:], cmdutil.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// given is what a document takes for granted, beside what those before it have
// done: they run in this order, in one cluster.
var given = []struct {
	file      string
	objects   string
	installed bool
}{
	{file: "docs/getting-started.md"},
	{file: "README.md", objects: operator + deployment("default", "shop") + deployment("default", "myapp")},
	{
		file: "docs/operations.md", installed: true,
		objects: namespace("NAME") + namespace("shop") + deployment("default", "NAME") + deployment("NAME", "APP"),
	},
	{file: "docs/standby.md", installed: true},
	{file: "deploy/chart/README.md"},
	{file: "examples/fastapi/README.md"},
	{file: "examples/fastapi-helm/README.md"},
}

// operator is what has the API server know ExternalSecrets.
const operator = `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: externalsecrets.external-secrets.io}
spec:
  group: external-secrets.io
  scope: Namespaced
  names: {kind: ExternalSecret, plural: externalsecrets}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

// names are put in the place of placeholders, and where something is published
// that is not yet.
var names = strings.NewReplacer(
	"NAME", "myns", "APP", "myapp", "DIR", "examples/fastapi/parameters",
	"oci://ghcr.io/envgraft/charts/envgraft --version 0.1.0", "deploy/chart --set image.tag=v0.1.0",
	"envgraft ui -A", "envgraft ui -A --listen 127.0.0.1:0",
)

// brokenLink is how doctor ends here, where no replica runs.
const brokenLink = 1

func namespace(name string) string {
	return fmt.Sprintf("---\n{apiVersion: v1, kind: Namespace, metadata: {name: %s}}\n", name)
}

func deployment(namespace, name string) string {
	return fmt.Sprintf(`---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: %s, namespace: %s}, spec: {
  selector: {matchLabels: {app.kubernetes.io/name: myapp}}, template: {
    metadata: {labels: {app.kubernetes.io/name: myapp}},
    spec: {containers: [{name: app, image: app, envFrom: [{configMapRef: {name: myapp-config}}]}]}}}}
`, name, namespace)
}

// TestCommands runs every block that names this package.
func TestCommands(t *testing.T) {
	person := newPerson(t)
	blocks, err := documents.Read(person.root)
	if err != nil {
		t.Fatal(err)
	}
	ran := map[string]bool{}
	for _, document := range given {
		if document.objects != "" {
			person.must(t, "kubectl apply -f - <<'EOF'\n"+names.Replace(document.objects)+"EOF")
		}
		if document.installed {
			person.must(t, "helm install envgraft deploy/chart --namespace envgraft-system --create-namespace --set config.environment=stage --set image.tag=v0.1.0")
		}
		for _, block := range blocks {
			if block.File != document.file || block.RunBy != runBy {
				continue
			}
			ran[block.Place()] = true
			t.Run(block.Place(), func(t *testing.T) {
				for _, command := range block.Commands {
					person.must(t, names.Replace(command))
				}
			})
		}
		person.must(t, "helm uninstall envgraft --namespace envgraft-system --ignore-not-found")
	}
	for _, block := range blocks {
		if block.RunBy == runBy && !ran[block.Place()] {
			t.Errorf("%s is not run: add %s to what is given", block.Place(), block.File)
		}
	}
}

// person has a shell at the root of the checkout.
type person struct {
	root string
	env  []string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		t.Fatal("KUBEBUILDER_ASSETS names no kube-apiserver: run make test-integration, which finds or builds one")
	}
	log.SetLogger(logr.Discard())
	plane := &envtest.Environment{ControlPlaneStartTimeout: 2 * time.Minute}
	if _, err := plane.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := plane.Stop(); err != nil {
			t.Error(err)
		}
	})
	ssm := httptest.NewServer(ssmfake.New())
	t.Cleanup(ssm.Close)

	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	p := &person{root: root}
	home, bin := t.TempDir(), t.TempDir()
	p.env = append(os.Environ(),
		"HOME="+home, "KUBECONFIG="+filepath.Join(home, "kubeconfig"),
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=eu-central-1", "AWS_ENDPOINT_URL_SSM="+ssm.URL,
		"PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
	)
	admin, err := plane.AddUser(envtest.User{Name: "admin", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := admin.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{
		filepath.Join(home, "kubeconfig"): string(kubeconfig),
		filepath.Join(bin, "envgraft"):    fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asEnvgraft, program),
		filepath.Join(bin, "kubectl"):     fmt.Sprintf("#!/bin/sh\nexec '%s/kubectl' \"$@\"\n", assets),
		filepath.Join(bin, "helm"):        fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", helm(t, root)),
		// Of a person's own folder.
		filepath.Join(bin, "kustomize"): "#!/bin/sh\nfor f in examples/fastapi/*.yaml; do cat $f; echo ---; done\n",
	}
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range scripts {
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// helm builds it, and returns its path.
func helm(t *testing.T, root string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+root+"/test/tools/helm.mod", "-n", "helm").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// must runs a command. One that serves is interrupted once it says where.
func (p *person) must(t *testing.T, command string) {
	t.Helper()
	ctx, interrupt := context.WithTimeout(t.Context(), time.Minute)
	defer interrupt()
	shell := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", command)
	shell.Dir, shell.Env = p.root, p.env
	shell.Cancel = func() error { return shell.Process.Signal(os.Interrupt) }
	shell.WaitDelay = 10 * time.Second
	out := &output{}
	if strings.HasPrefix(command, "envgraft ui ") {
		out.until, out.seen = "http://127.0.0.1:", interrupt
	}
	shell.Stdout, shell.Stderr = out, out
	err := shell.Run()
	want := 0
	if strings.HasPrefix(command, "envgraft doctor") {
		want = brokenLink
	}
	if code := shell.ProcessState.ExitCode(); code != want {
		t.Errorf("%s: %v, want exit code %d\n%s", command, err, want, &out.text)
	}
}

// output is what a command prints.
type output struct {
	text  bytes.Buffer // not embedded: Write is to see it all
	until string
	seen  func()
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.text.Write(p)
	if o.until != "" && strings.Contains(o.text.String(), o.until) {
		o.seen()
	}
	return n, err
}
