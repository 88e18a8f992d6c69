//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// dumpOnFailure prints, if the test failed, what a person would ask for next.
// It must be registered after whatever cleans the namespaces up.
func (b *bench) dumpOnFailure(t *testing.T, namespaces ...string) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		b.show(t, "get", "pods,deployments,jobs", "-A", "-o", "wide")
		b.show(t, "logs", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft", "--all-containers", "--prefix", "--tail=150")
		b.show(t, "logs", "-n", esoNamespace, "deployment/external-secrets", "--tail=60")
		b.show(t, "get", "externalsecrets,clustersecretstores", "-A", "-o", "yaml", "--show-managed-fields=false")
		for _, namespace := range append(namespaces, systemNamespace) {
			b.show(t, "get", "events", "-n", namespace, "--sort-by=.lastTimestamp")
			b.show(t, "describe", "pods,deployments", "-n", namespace)
		}
	})
}

func (b *bench) show(t *testing.T, args ...string) {
	t.Helper()
	out, err := b.try(args...)
	if err != nil {
		out += err.Error()
	}
	t.Logf("--- kubectl %s\n%s", strings.Join(args, " "), out)
}
