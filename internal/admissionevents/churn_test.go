package admissionevents

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/test/churn"
)

// anything answers that whatever is asked for exists.
type anything struct{ client.Reader }

func (anything) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	into.SetNamespace(key.Namespace)
	into.SetName(key.Name)
	into.SetUID(types.UID("uid-" + key.Name))
	return nil
}

// TestNoticesChurn has 100,000 workloads of 10,000 namespaces come and go, each with
// an Event that is as long as one may be.
func TestNoticesChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.reader = anything{}
		long := strings.Repeat("x", 1000)
		churn.Test(t, churn.Churn{
			Come: func(n int) {
				b.Notify(fmt.Sprint("ns", n/10), owner("apps/v1", "StatefulSet", fmt.Sprint("db", n)), shadowed(fmt.Sprint(n, long)))
				if got := b.drain(t); len(got) != 1 {
					t.Fatalf("workload %d has %d Events", n, len(got))
				}
				time.Sleep(864 * time.Millisecond)
			},
			Rest: func() { time.Sleep(repeatAfter) },
			Held: func() int { return b.said.Len() + b.budgets.Len() + b.tops.Len() + len(b.queue) },
		})
	})
}
