//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/ssmfake"
)

// testLifecycle installs the chart of the commit before, upgrades to this one's,
// rolls back and uninstalls, and does the same with kubectl and the manifest,
// while pods are created all the time. None may fail.
func (b *bench) testLifecycle(t *testing.T) {
	b.tellsNothing(t)
	const namespace = "lifecycle"
	b.optedIn(t, namespace)
	b.ssm.putJSON(t, "/lifecycle/shop/stage/app", parameterTier())
	b.uninstall(t)
	s := b.newStream(t, namespace)
	s.setMayBeBare(true) // while envgraft is not installed
	s.start(t)
	t.Cleanup(func() { t.Logf("pods created meanwhile:\n%s", s.table()) })
	t.Run("Chart", func(t *testing.T) { b.testChartLifecycle(t, s) })
	t.Run("Manifest", func(t *testing.T) { b.testManifestLifecycle(t, s) })
}

func (b *bench) testChartLifecycle(t *testing.T, s *stream) {
	t.Helper()
	before, values := b.chartBefore(t), b.values(t, nil)
	b.helm(t, "install", "envgraft", before, "--create-namespace", "--values", values, "--timeout", "2m")
	b.mustInject(t, s)
	// New pods, as with a new version's image: charts of two commits may be equal.
	upgrade := []string{"upgrade", "envgraft", "deploy/chart", "--values", values, "--set", "podAnnotations.upgraded=yes", "--timeout", "2m"}
	s.unharmed(t, "helm upgrade from the chart of the commit before", func(t *testing.T) {
		t.Helper()
		b.helm(t, upgrade...)
	})
	s.unharmed(t, "helm rollback to it", func(t *testing.T) {
		t.Helper()
		b.helm(t, "rollback", "envgraft", "1", "--timeout", "2m")
	})
	s.unharmed(t, "helm upgrade again", func(t *testing.T) {
		t.Helper()
		b.helm(t, upgrade...)
	})
	b.testHelmTest(t)
	s.setMayBeBare(true)
	s.unharmed(t, "helm uninstall", func(t *testing.T) {
		t.Helper()
		b.helm(t, "uninstall", "envgraft")
	})
	b.testLeftovers(t)
}

// testHelmTest has the chart test itself.
func (b *bench) testHelmTest(t *testing.T) {
	t.Helper()
	if out := b.helm(t, "test", "envgraft", "--logs"); !strings.Contains(out, "a pod of the template is injected") {
		t.Errorf("helm test has seen no pod injected:\n%s", out)
	}
	b.gone(t, "", "namespace/envgraft-test")
	if out := b.kubectl(t, "get", "clusterroles,clusterrolebindings", "-o", "name"); strings.Contains(out, "envgraft-test") {
		t.Errorf("helm test leaves rights:\n%s", out)
	}
}

// testManifestLifecycle does it with the manifest of deploy/, edited as a person
// does: the image, and where SSM is.
func (b *bench) testManifestLifecycle(t *testing.T, s *stream) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.root, "deploy", "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct{ from, to string }{
		{`image: ghcr\.io/envgraft/envgraft:\S+`, "image: " + envgraftImage + ":" + envgraftTag},
		{`(?m)^    environment: stage$`, "$0\n    aws: {region: " + ssmfake.Region + ", ssmEndpoint: \"" + ssmEndpoint + "\"}"},
		{`(?m)^          env:$`, "$0\n            - {name: AWS_ACCESS_KEY_ID, value: fake}\n            - {name: AWS_SECRET_ACCESS_KEY, value: fake}"},
	} {
		pattern := regexp.MustCompile(change.from)
		if n := len(pattern.FindAll(text, -1)); n != 1 {
			t.Fatalf("deploy/install.yaml has %q %d times, want once", change.from, n)
		}
		text = pattern.ReplaceAll(text, []byte(change.to))
	}
	manifest := filepath.Join(t.TempDir(), "install.yaml")
	if err := os.WriteFile(manifest, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.kubectl(t, "delete", "-f", manifest, "--ignore-not-found", "--timeout=90s") })
	b.kubectl(t, "apply", "-f", manifest)
	b.rolledOut(t, systemNamespace, "deployment/envgraft")
	b.mustInject(t, s)
	s.unharmed(t, "kubectl apply again, and a restart", func(t *testing.T) {
		t.Helper()
		b.kubectl(t, "apply", "-f", manifest)
		b.rollEnvgraft(t)
	})
	s.setMayBeBare(true)
	s.unharmed(t, "kubectl delete, the webhook configuration first", func(t *testing.T) {
		t.Helper()
		b.kubectl(t, "delete", "mutatingwebhookconfiguration", "envgraft")
		b.kubectl(t, "delete", "-f", manifest, "--ignore-not-found", "--timeout=90s")
	})
	b.noWebhooks(t)
}

// mustInject waits until pods are injected, and has it fail the test from then
// on if one is not.
func (b *bench) mustInject(t *testing.T, s *stream) {
	t.Helper()
	eventually(t, time.Minute, "pods to be injected", func() (bool, string) {
		now := time.Now()
		last := s.between(now.Add(-2*time.Second), now.Add(-time.Second))
		for _, c := range last {
			if c.bare || c.webhook != "" {
				return false, c.webhook
			}
		}
		return len(last) > 0, "no creation came back"
	})
	s.setMayBeBare(false)
}

// unharmed is during for what no pod may fail by.
func (s *stream) unharmed(t *testing.T, what string, do func(t *testing.T)) {
	t.Helper()
	if r := s.during(t, what, do); r.failed > 0 {
		t.Errorf("%s: %d of %d creations failed, the first with %s", what, r.failed, r.creations, r.example)
	}
}

// testLeftovers looks at what an uninstallation leaves: nothing that holds up a
// pod, and what the chart's README says.
func (b *bench) testLeftovers(t *testing.T) {
	t.Helper()
	b.noWebhooks(t)
	eventually(t, time.Minute, "the replicas to have ended", func() (bool, string) {
		out, err := b.try("get", "pods", "-n", systemNamespace, "-o", "name")
		return err == nil && out == "", out
	})
	var left []string
	for _, kind := range []string{"secrets", "leases.coordination.k8s.io", "configmaps", "serviceaccounts", "services", "deployments", "roles", "rolebindings"} {
		for name := range strings.FieldsSeq(b.kubectl(t, "get", kind, "-n", systemNamespace, "-o", "name")) {
			if strings.Contains(name, "envgraft") {
				left = append(left, name)
			}
		}
	}
	for _, kind := range []string{"clusterroles", "clusterrolebindings", "priorityclasses"} {
		for name := range strings.FieldsSeq(b.kubectl(t, "get", kind, "-o", "name")) {
			if strings.Contains(name, "envgraft") {
				left = append(left, name)
			}
		}
	}
	want := []string{"secret/envgraft-webhook-tls", "lease.coordination.k8s.io/" + api.Lease}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("what is left of the installation (-want +got):\n%s", diff)
	}
	readme, err := os.ReadFile(filepath.Join(b.root, "deploy", "chart", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if command := "kubectl delete secret/envgraft-webhook-tls lease/" + api.Lease; !strings.Contains(string(readme), command) {
		t.Errorf("the chart's README does not say how to take the rest away: %q", command)
	}
}

func (b *bench) noWebhooks(t *testing.T) {
	t.Helper()
	if out := b.kubectl(t, "get", "mutatingwebhookconfigurations", "-o", "name"); strings.Contains(out, "envgraft") {
		t.Errorf("a webhook configuration is left: %s", out)
	}
}

// chartBefore returns the chart of the commit before this one.
func (b *bench) chartBefore(t *testing.T) string {
	t.Helper()
	if _, _, err := b.output(commandTimeout, nil, "git", "rev-parse", "--verify", "--quiet", "HEAD~1"); err != nil {
		t.Skip("there is no commit before this one: the clone is shallow, or no clone")
	}
	dir := t.TempDir()
	b.run(t, commandTimeout, "sh", "-c", `git archive HEAD~1 deploy/chart | tar -x -C "$1"`, "sh", dir)
	return filepath.Join(dir, "deploy", "chart")
}

// uninstall leaves a cluster in which envgraft never was.
func (b *bench) uninstall(t *testing.T) {
	t.Helper()
	b.helm(t, "uninstall", "envgraft", "--ignore-not-found")
	b.kubectl(t, "delete", "namespace", systemNamespace, "--ignore-not-found", "--timeout=90s")
}

// helm runs helm on the release's namespace, and waits until all is ready.
func (b *bench) helm(t *testing.T, args ...string) string {
	t.Helper()
	if args[0] != "test" {
		args = append(args, "--wait")
	}
	return b.run(t, 5*time.Minute, b.tool("helm", append(args, "--namespace", systemNamespace)...)...)
}
