package controller

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/workload"
)

func TestDecide(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	asking := func(name string, age time.Duration, interval time.Duration) claim {
		return claim{
			Workload: workload.Ref{Kind: workload.Deployment, Name: name, UID: types.UID(name)},
			Created:  began.Add(-age),
			Wants:    externalsecret.Wants{RefreshInterval: interval},
			Newest:   began.Add(time.Duration(len(name))), // the pods' age decides nothing
		}
	}
	for _, test := range []struct {
		reason string
		claims []claim
		winner string
		losers []string
	}{
		{"one alone", []claim{asking("a", 0, time.Minute)}, "a", nil},
		{"the older wins", []claim{asking("a", time.Hour, time.Minute), asking("b", 2*time.Hour, time.Hour)}, "b", []string{"a"}},
		{"of two of one second, the name", []claim{asking("b", 0, time.Minute), asking("a", 0, time.Hour)}, "a", []string{"b"}},
		{"only those who differ lose", []claim{asking("a", 3*time.Hour, time.Minute), asking("b", 2*time.Hour, time.Minute), asking("c", time.Hour, time.Hour)}, "a", []string{"c"}},
	} {
		t.Run(test.reason, func(t *testing.T) {
			winner, conflicts := decide(test.claims)
			if winner.Workload.Name != test.winner {
				t.Errorf("%s wins, want %s", winner.Workload.Name, test.winner)
			}
			if len(conflicts) != len(test.losers) || inConflict(test.claims) != (len(test.losers) > 0) {
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
