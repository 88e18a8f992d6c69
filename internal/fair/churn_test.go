package fair

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/envgraft/envgraft/test/churn"
)

// TestBudgetChurn has 100,000 namespaces come and go.
func TestBudgetChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(5, 20)
		churn.Test(t, churn.Churn{
			Come: func(n int) {
				b.Take(fmt.Sprint("ns", n))
				time.Sleep(100 * time.Millisecond)
			},
			Rest: func() {
				time.Sleep(time.Minute)
				b.Take("last")
			},
			Held: func() int { return len(b.taken) },
		})
	})
}
