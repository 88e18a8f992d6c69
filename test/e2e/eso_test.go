//go:build e2e

package e2e

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/envgraft/envgraft/test/ssmfake"
)

const (
	esoNamespace = "external-secrets"
	esoModule    = "github.com/external-secrets/external-secrets@v0.19.2"
	esoPublished = "ghcr.io/external-secrets/external-secrets:v0.19.2"
)

// startESO installs the real operator's controller, once, with a ClusterSecretStore
// that points at the fake. Its webhook and cert-controller serve objects of
// older versions only, and stay out.
func (b *bench) startESO(t *testing.T) {
	t.Helper()
	if b.eso {
		return
	}
	b.eso = true
	image := getenv("ESO_IMAGE", esoPublished)
	b.load(t, image)
	b.run(t, commandTimeout, b.kubectlBin, "apply", "--server-side", "--force-conflicts", "-f", b.esoCRDs(t))
	b.kubectl(t, "wait", "--for=condition=Established", "--timeout=60s",
		"crd/externalsecrets.external-secrets.io", "crd/clustersecretstores.external-secrets.io")
	b.apply(t, "external-secrets.yaml", map[string]string{
		"Namespace": esoNamespace, "Image": image, "SSMEndpoint": ssmEndpoint,
	})
	b.rolledOut(t, esoNamespace, "deployment/external-secrets")
	b.apply(t, "store.yaml", map[string]string{"Namespace": esoNamespace, "Region": ssmfake.Region})
	b.kubectl(t, "wait", "--for=condition=Ready", "--timeout=60s", "clustersecretstore/aws-ssm")
}

// esoCRDs is the folder of the operator's CRDs, in its Go module.
func (b *bench) esoCRDs(t *testing.T) string {
	t.Helper()
	return filepath.Join(b.moduleDir(t, esoModule), "deploy", "crds", "bundle.yaml")
}

// moduleDir is where a Go module lies.
func (b *bench) moduleDir(t *testing.T, name string) string {
	t.Helper()
	var module struct {
		Dir string `json:"Dir"` //nolint:tagliatelle // as "go mod download -json" writes it
	}
	out := b.run(t, 5*time.Minute, "go", "mod", "download", "-json", name)
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&module); err != nil {
		t.Fatalf("cannot read where module %s is: %v\n%s", name, err, out)
	}
	return module.Dir
}
