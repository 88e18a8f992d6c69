package lookup

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/test/churn"
)

// TestLookupsChurn has 100,000 apps come and go within a day: some have an answer that
// nobody fetches, some a newer version, and some no answer that counts.
func TestLookupsChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &ssm{}
		l := New(source, clock.RealClock{}, 5, func(client.ObjectKey) {})
		churn.Test(t, churn.Churn{
			Come: func(n int) {
				source.answers = []facts.Parameter{is([]graft.ParameterState{graft.ParameterFound, graft.ParameterThrottled}[n%2], 1)}
				s := about(fmt.Sprint("ns", n/10), fmt.Sprint("app", n))
				if n%5 == 0 {
					l.Outdated(s, externalsecret.Version{Number: 1})
				}
				l.Ask(s, facts.Question{Namespace: s.App.Namespace, Parameter: s.Parameter})
				synctest.Wait()
				source.asked = nil
				time.Sleep(864 * time.Millisecond)
			},
			Rest: func() {
				time.Sleep(TTL)
				synctest.Wait()
			},
			Held: func() int { return l.answers.Len() + l.failed.Len() + l.newer.Len() + len(l.underWay) },
		})
	})
}
