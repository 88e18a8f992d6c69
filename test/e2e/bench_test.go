//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"
)

// commandTimeout bounds every command but those that build or create.
const commandTimeout = 2 * time.Minute

// bench is one cluster with what the tests share.
type bench struct {
	root       string // the project's root
	cluster    string // kind's name of the cluster
	kubeconfig string
	kubectlBin string
	program    string // envgraft
	ssm        parameters
	eso        bool // the operator has been started
}

// newBench starts the cluster, or takes the existing one that E2E_CLUSTER
// names, and loads the images of the tests' own programs.
func newBench(t *testing.T) *bench {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		root:       root,
		cluster:    getenv("E2E_CLUSTER", fmt.Sprintf("envgraft-e2e-%d", os.Getpid())),
		kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"),
		kubectlBin: kubectlPath(),
	}
	b.createCluster(t)
	b.buildImage(t, "./test/images/ssmfake", ssmfakeImage)
	b.buildImage(t, "./test/images/printenv", printenvImage)
	b.load(t, ssmfakeImage, printenvImage)
	return b
}

// createCluster makes a cluster and deletes it when the test ends.
func (b *bench) createCluster(t *testing.T) {
	t.Helper()
	if os.Getenv("E2E_KEEP") != "1" {
		t.Cleanup(func() { b.run(t, 3*time.Minute, b.tool("kind", "delete", "cluster", "--name", b.cluster)...) })
	}
	existing := b.run(t, commandTimeout, b.tool("kind", "get", "clusters")...)
	if slices.Contains(strings.Fields(existing), b.cluster) {
		b.run(t, commandTimeout, b.tool("kind", "export", "kubeconfig", "--name", b.cluster, "--kubeconfig", b.kubeconfig)...)
		return
	}
	create := b.tool("kind", "create", "cluster", "--name", b.cluster, "--kubeconfig", b.kubeconfig,
		"--config", "test/e2e/testdata/kind.yaml", "--wait", "3m")
	if image := os.Getenv("KIND_NODE_IMAGE"); image != "" {
		create = append(create, "--image", image)
	}
	b.run(t, 10*time.Minute, create...)
}

// buildImage compiles a program of the tests and wraps it in an image that
// holds nothing else.
func (b *bench) buildImage(t *testing.T, program, image string) {
	t.Helper()
	dir := t.TempDir()
	b.compile(t, program, filepath.Join(dir, "program"))
	b.wrap(t, dir, image)
}

// wrap makes an image of the file "program" in a directory.
func (b *bench) wrap(t *testing.T, dir, image string) {
	t.Helper()
	dockerfile := "FROM scratch\nCOPY program /program\nUSER 65532:65532\nENTRYPOINT [\"/program\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(dockerfile), 0o600); err != nil {
		t.Fatal(err)
	}
	b.run(t, commandTimeout, "docker", "build", "--quiet", "--tag", image, dir)
}

// compile builds a static program for the cluster's nodes.
func (b *bench) compile(t *testing.T, program, path string) {
	t.Helper()
	b.run(t, 10*time.Minute, "env", "GOOS=linux", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", path, program)
}

// load copies images into the cluster's nodes, those that the Docker daemon
// lacks from their registry.
func (b *bench) load(t *testing.T, images ...string) {
	t.Helper()
	for _, image := range images {
		if _, _, err := b.output(commandTimeout, nil, "docker", "image", "inspect", image); err != nil {
			b.run(t, 10*time.Minute, "docker", "pull", "--quiet", image)
		}
	}
	b.run(t, 5*time.Minute, b.tool("kind", append([]string{"load", "docker-image", "--name", b.cluster}, images...)...)...)
}

// tool is the command line of a tool that test/tools pins.
func (b *bench) tool(name string, args ...string) []string {
	return append([]string{"go", "tool", "-modfile=test/tools/" + name + ".mod", name}, args...)
}

// kubectl runs kubectl against the cluster and returns its standard output.
func (b *bench) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return b.run(t, commandTimeout, append([]string{b.kubectlBin}, args...)...)
}

// try runs kubectl, which may fail, and returns all that it printed.
func (b *bench) try(args ...string) (string, error) {
	stdout, stderr, err := b.output(commandTimeout, nil, append([]string{b.kubectlBin}, args...)...)
	return stdout + stderr, err
}

// apply renders a manifest of testdata and applies it. It returns what a person
// would have seen, warnings among it.
func (b *bench) apply(t *testing.T, manifest string, data any) string {
	t.Helper()
	out, err := b.tryApply(t, manifest, data)
	if err != nil {
		t.Fatalf("cannot apply %s: %v\n%s", manifest, err, out)
	}
	return out
}

// tryApply is apply where a refusal is what the test is after.
func (b *bench) tryApply(t *testing.T, manifest string, data any) (string, error) {
	t.Helper()
	parsed, err := template.New(manifest).Option("missingkey=error").ParseFiles(filepath.Join("testdata", manifest))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, data); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, err := b.output(commandTimeout, text.Bytes(), b.kubectlBin, "apply", "-f", "-")
	return stdout + stderr, err
}

// run runs a command from the project's root, fails the test if it fails, and
// returns its standard output.
func (b *bench) run(t *testing.T, timeout time.Duration, command ...string) string {
	t.Helper()
	stdout, stderr, err := b.output(timeout, nil, command...)
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, stdout, stderr)
	}
	return stdout
}

// output runs a command from the project's root and returns its standard output
// and its standard error, apart: warnings must not mix with JSON.
func (b *bench) output(timeout time.Duration, stdin []byte, command ...string) (string, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // commands that the tests themselves make up
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+b.kubeconfig)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	// What a killed command has started may hold its output open.
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("gave up after %s: %w", timeout, err)
	}
	return stdout.String(), stderr.String(), err
}

func kubectlPath() string {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		path := filepath.Join(assets, "kubectl")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return "kubectl"
}

func getenv(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
