//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// eventually asks again and again until the answer is yes, and otherwise fails
// the test with what it saw last.
func eventually(t *testing.T, timeout time.Duration, what string, ask func() (yes bool, saw string)) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		yes, saw := ask()
		if yes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s; last seen:\n%s", timeout, what, saw)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// gone waits until an object does not exist.
func (b *bench) gone(t *testing.T, timeout time.Duration, namespace, object string) {
	t.Helper()
	eventually(t, timeout, object+" to be gone from "+namespace, func() (bool, string) {
		out, err := b.try("get", object, "-n", namespace, "--ignore-not-found", "-o", "yaml")
		return err == nil && out == "", out
	})
}

// rolledOut waits until all pods of a workload are new and ready.
func (b *bench) rolledOut(t *testing.T, namespace, workload string) {
	t.Helper()
	b.kubectl(t, "rollout", "status", workload, "-n", namespace, "--timeout=90s")
}
