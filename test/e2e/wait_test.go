//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// eventually asks again and again until the answer is yes, and otherwise fails
// the test with what it saw last.
func eventually(t *testing.T, timeout time.Duration, what string, ask func() (yes bool, saw string)) {
	t.Helper()
	last := "nothing"
	err := wait.PollUntilContextTimeout(t.Context(), 300*time.Millisecond, timeout, true, func(context.Context) (bool, error) {
		yes, saw := ask()
		last = saw
		return yes, nil
	})
	if err != nil {
		t.Fatalf("waited %s for %s; last seen:\n%s", timeout, what, last)
	}
}

// gone waits until an object does not exist.
func (b *bench) gone(t *testing.T, namespace, object string) {
	t.Helper()
	eventually(t, time.Minute, object+" to be gone from "+namespace, func() (bool, string) {
		out, err := b.try("get", object, "-n", namespace, "--ignore-not-found", "-o", "yaml")
		return err == nil && out == "", out
	})
}

// rolledOut waits until all pods of a workload are new and ready.
func (b *bench) rolledOut(t *testing.T, namespace, workload string) {
	t.Helper()
	b.kubectl(t, "rollout", "status", workload, "-n", namespace, "--timeout=90s")
}
