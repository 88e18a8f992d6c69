//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	"github.com/envgraft/envgraft/test/canary"
)

// tellsNothing has a part searched when it and its parallel tests have ended.
func (b *bench) tellsNothing(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			b.mustNotTell(t)
		}
	})
}

// mustNotTell searches what envgraft has said and written so far for values of
// parameters: they belong into Secrets and processes, and nowhere else.
func (b *bench) mustNotTell(t *testing.T) {
	t.Helper()
	said := map[string]string{
		"an Event": b.kubectl(t, "get", "events", "-A", "-o", "yaml"),
		"an object": b.kubectl(t, "get", "pods,replicasets,deployments,statefulsets,daemonsets,jobs,cronjobs,configmaps,namespaces,leases", "-A",
			"--show-managed-fields", "-o", "yaml"),
	}
	replicas := b.replicas(t) // none, where the part has uninstalled
	if len(replicas) > 0 {
		said["envgraft's log"] = b.kubectl(t, "logs", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft", "--all-containers", "--prefix", "--tail=-1")
	}
	for _, r := range replicas {
		said["a metric of "+r.Metadata.Name] = b.kubectl(t, "get", "--raw",
			fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8080/proxy/metrics", systemNamespace, r.Metadata.Name))
	}
	if out, err := b.try("get", "externalsecrets", "-A", "--show-managed-fields", "-o", "yaml"); err == nil {
		said["an ExternalSecret"] = out
	}
	for where, text := range said {
		if text == "" {
			t.Errorf("%s says nothing at all", where)
		}
		if found := canary.Find(text); len(found) > 0 {
			t.Errorf("%s tells values of parameters: %q", where, found)
		}
	}
}
