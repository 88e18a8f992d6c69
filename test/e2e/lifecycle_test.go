//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
)

// testLifecycle installs the chart of the commit before, upgrades to this one's,
// rolls back and uninstalls, while pods are created all the time.
func (b *bench) testLifecycle(t *testing.T) {
	before, values := b.chartBefore(t), b.values(t, nil)
	const namespace = "lifecycle"
	b.optedIn(t, namespace)
	b.ssm.putJSON(t, "/lifecycle/shop/stage/app", parameterTier())
	if out, err := b.helm("uninstall", "envgraft", "--ignore-not-found"); err != nil {
		t.Fatalf("cannot uninstall: %v\n%s", err, out)
	}
	if out, err := b.helm("install", "envgraft", before, "--create-namespace", "--values", values, "--timeout", "2m"); err != nil {
		t.Fatalf("cannot install the chart of the commit before: %v\n%s", err, out)
	}
	b.whilePodsAreCreated(t, namespace, "upgrade", "upgrade", "envgraft", "deploy/chart", "--values", values, "--timeout", "2m")
	b.whilePodsAreCreated(t, namespace, "rollback", "rollback", "envgraft", "1", "--timeout", "2m")
	b.whilePodsAreCreated(t, namespace, "upgrade-again", "upgrade", "envgraft", "deploy/chart", "--values", values, "--timeout", "2m")
	b.whilePodsAreCreated(t, namespace, "uninstall", "uninstall", "envgraft")
	b.testLeftovers(t)
}

// whilePodsAreCreated runs helm, and creates one pod after the other until it
// has ended. None may fail.
func (b *bench) whilePodsAreCreated(t *testing.T, namespace, step string, args ...string) {
	t.Helper()
	type result struct {
		out string
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := b.helm(args...)
		done <- result{out, err}
	}()
	pod := podOf(t, namespace, "during-"+step, map[string]string{api.LabelName: "shop"}, nil)
	for created := 1; ; created++ {
		if out, err := b.tryApply(t, "pod.yaml", pod); err != nil {
			t.Errorf("%s: the %d. pod was not created: %v\n%s", step, created, err, out)
		}
		b.kubectl(t, "delete", "pod", "during-"+step, "-n", namespace, "--grace-period=0", "--force", "--ignore-not-found")
		select {
		case r := <-done:
			if r.err != nil {
				t.Fatalf("%s: %v\n%s", step, r.err, r.out)
			}
			t.Logf("%s: %d pods created meanwhile", step, created)
			return
		default:
		}
	}
}

// testLeftovers looks at what an uninstallation leaves: nothing that holds up a
// pod, and what docs say.
func (b *bench) testLeftovers(t *testing.T) {
	t.Helper()
	if out := b.kubectl(t, "get", "mutatingwebhookconfigurations", "-o", "name"); strings.Contains(out, "envgraft") {
		t.Errorf("a webhook configuration is left: %s", out)
	}
	var left []string
	for _, kind := range []string{"secrets", "leases.coordination.k8s.io", "configmaps", "serviceaccounts", "services", "deployments", "roles", "rolebindings"} {
		for _, name := range strings.Fields(b.kubectl(t, "get", kind, "-n", systemNamespace, "-o", "name")) {
			if strings.Contains(name, "envgraft") {
				left = append(left, name)
			}
		}
	}
	// The chart's README says so, and how to take them away.
	want := []string{"secret/envgraft-webhook-tls", "lease.coordination.k8s.io/envgraft-controller"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("what is left of the installation (-want +got):\n%s", diff)
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

// helm runs helm on the release's namespace, and returns all that it printed.
func (b *bench) helm(args ...string) (string, error) {
	stdout, stderr, err := b.output(5*time.Minute, nil, b.tool("helm", append(args, "--namespace", systemNamespace, "--wait")...)...)
	return stdout + stderr, err
}
