package admissionevents

import "testing"

// TestForeignOwner has a pod of another namespace name a ReplicaSet by its UID, which
// is known from before: nothing is written about what is not in its namespace.
func TestForeignOwner(t *testing.T) {
	b, of := newBench(), owner("apps/v1", "ReplicaSet", "web-1")
	for _, ask := range []struct {
		namespace string
		found     bool
	}{{"evil", false}, {"shop", true}, {"evil", false}, {"shop", true}} {
		top, err := b.top(t.Context(), ask.namespace, of)
		if err != nil {
			t.Fatal(err)
		}
		if found := top != nil; found != ask.found {
			t.Errorf("a pod of namespace %q finds a workload above it: %t, want %t", ask.namespace, found, ask.found)
		}
	}
}
