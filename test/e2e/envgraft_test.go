//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/envgraft/envgraft/test/ssmfake"
)

const (
	systemNamespace = "envgraft-system"
	envgraftImage   = "localhost/envgraft-e2e/envgraft"
	envgraftTag     = "e2e"
)

// buildEnvgraft builds the product's image, by its own Dockerfile, and brings it
// into the cluster.
func (b *bench) buildEnvgraft(t *testing.T) {
	t.Helper()
	dir, image := t.TempDir(), envgraftImage+":"+envgraftTag
	b.program = filepath.Join(dir, "bin", "linux", runtime.GOARCH, "envgraft")
	b.compile(t, "./cmd/envgraft", b.program)
	b.run(t, commandTimeout, "docker", "build", "--quiet", "--tag", image, "--file", filepath.Join(b.root, "Dockerfile"),
		"--build-arg", "BASE=scratch", "--build-arg", "TARGETARCH="+runtime.GOARCH, dir)
	b.load(t, image)
}

// install installs the chart, or gives the installed one other settings: the
// fields of the configuration file that a test wants other than by default.
func (b *bench) install(t *testing.T, settings map[string]any) {
	t.Helper()
	b.run(t, 10*time.Minute, b.tool("helm", "upgrade", "--install", "envgraft", "deploy/chart",
		"--namespace", systemNamespace, "--create-namespace", "--values", b.values(t, settings), "--wait", "--timeout", "2m")...)
}

// values writes the chart's values to a file, and returns its path.
func (b *bench) values(t *testing.T, settings map[string]any) string {
	t.Helper()
	file := map[string]any{"environment": "stage"}
	maps.Copy(file, settings)
	values, err := json.Marshal(map[string]any{
		"image":        map[string]any{"repository": envgraftImage, "tag": envgraftTag, "pullPolicy": "IfNotPresent"},
		"replicaCount": 2,
		"config":       file,
		"aws":          map[string]any{"region": ssmfake.Region, "ssmEndpoint": ssmEndpoint},
		// The fake wants signed calls, as SSM does; any key will do.
		"extraEnv": []map[string]string{
			{"name": "AWS_ACCESS_KEY_ID", "value": "fake"},
			{"name": "AWS_SECRET_ACCESS_KEY", "value": "fake"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "values.json")
	if err := os.WriteFile(path, values, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
