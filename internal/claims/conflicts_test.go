package claims

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/workload"
)

func TestWinner(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	asking := func(name string, age time.Duration, interval time.Duration) Claim {
		return Claim{
			Workload: workload.Ref{Kind: workload.Deployment, Name: name, UID: types.UID(name)},
			Created:  began.Add(-age),
			Wants:    externalsecret.Wants{RefreshInterval: interval},
			Newest:   began.Add(time.Duration(len(name))), // the pods' age decides nothing
		}
	}
	for _, test := range []struct {
		reason string
		claims []Claim
		winner string
		losers []string
	}{
		{"one alone", []Claim{asking("a", 0, time.Minute)}, "a", nil},
		{"the older wins", []Claim{asking("a", time.Hour, time.Minute), asking("b", 2*time.Hour, time.Hour)}, "b", []string{"a"}},
		{"of two of one second, the name", []Claim{asking("b", 0, time.Minute), asking("a", 0, time.Hour)}, "a", []string{"b"}},
		{"only those who differ lose", []Claim{asking("a", 3*time.Hour, time.Minute), asking("b", 2*time.Hour, time.Minute), asking("c", time.Hour, time.Hour)}, "a", []string{"c"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			winner, conflicts := Winner(test.claims)
			if winner.Workload.Name != test.winner {
				t.Errorf("%s wins, want %s", winner.Workload.Name, test.winner)
			}
			if len(conflicts) != len(test.losers) || InConflict(test.claims) != (len(test.losers) > 0) {
				t.Fatalf("conflicts are %v", conflicts)
			}
			for n, c := range conflicts {
				if c.Loser.Name != test.losers[n] || !strings.Contains(c.Message, `refresh interval "1m0s", not "1h0m0s"`) &&
					!strings.Contains(c.Message, `refresh interval "1h0m0s", not "1m0s"`) {
					t.Errorf("got %v", c)
				}
			}
		})
	}
}
