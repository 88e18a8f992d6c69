package memory

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

// TestChangesAreRare bounds how often one ExternalSecret is made to be of something
// else, whatever its workloads ask for.
func TestChangesAreRare(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	m := New(clock)
	shop, bank := types.NamespacedName{Namespace: "shops", Name: "shop-external"}, types.NamespacedName{Namespace: "shops", Name: "bank-external"}
	changes := 0
	for range 25 * 60 {
		rest := m.UntilChange(shop)
		switch {
		case rest == 0:
			m.Changed(shop)
			changes++
		case rest < 0 || rest > changeInterval:
			t.Fatalf("the next change is in %s", rest)
		}
		clock.Step(40 * time.Millisecond)
	}
	if changes != changeBurst+1 {
		t.Errorf("%d changes in a minute of 25 wishes a second, want %d", changes, changeBurst+1)
	}
	if m.UntilChange(bank) != 0 {
		t.Error("another ExternalSecret may not change")
	}
}

// TestFailures doubles the time between two tries, and forgets what succeeded.
func TestFailures(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))
	m := New(clock)
	s := Step{What: "write"}
	for _, want := range []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
		if got := m.Fail(s); got.Seconds() != want {
			t.Errorf("it is tried again in %s, want %g s", got, want)
		}
	}
	if next := m.Failed(s).Next; !next.Equal(clock.Now().Add(MaxRetry)) {
		t.Errorf("it is tried again at %s", next)
	}
	m.Succeed(s)
	if m.Failed(s) != (Failure{}) {
		t.Error("it is remembered")
	}
}
