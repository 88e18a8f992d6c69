package lookup

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/ssmevents"
)

// TestConcerned matches events by name, region, and the account of the store's role.
func TestConcerned(t *testing.T) {
	const name = "/popapps/shop/stage/app"
	home, role := facts.Key{Name: name}, facts.Key{Name: name, Access: facts.Access{Role: "arn:aws:iam::222222222222:role/store"}}
	abroad := facts.Key{Name: name, Access: facts.Access{Region: "us-east-1"}}
	p := NewEvents(&VersionCheck{}, "eu-central-1")
	p.current = func(context.Context) (map[facts.Key][]*externalsecret.ExternalSecret, map[string][]facts.Key) {
		return map[facts.Key][]*externalsecret.ExternalSecret{home: nil, role: nil, abroad: nil}, nil
	}
	for _, test := range []struct {
		reason string
		change ssmevents.Change
		want   map[facts.Key]bool
	}{
		{"The account of envgraft's own credentials is not known: an event is a hint.", ssmevents.Change{Account: "111111111111", Region: "eu-central-1", Name: name}, map[facts.Key]bool{home: true}},
		{"A role names its account.", ssmevents.Change{Account: "222222222222", Region: "eu-central-1", Name: name}, map[facts.Key]bool{home: true, role: true}},
		{"A store may name another region.", ssmevents.Change{Account: "111111111111", Region: "us-east-1", Name: name}, map[facts.Key]bool{abroad: true}},
		{"Nobody has such a parameter.", ssmevents.Change{Account: "111111111111", Region: "eu-central-1", Name: "/payments/api/prod/app"}, map[facts.Key]bool{}},
	} {
		got := map[facts.Key]bool{}
		for _, key := range p.Concerned(test.change) {
			got[key] = true
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s -want, +got:\n%s", test.reason, diff)
		}
	}
}

// TestFallback checks versions each fallback interval while the queues answer,
// and each interval of its own while one does not.
func TestFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := true
		v := &VersionCheck{EventsUp: func() bool { return up }, Fallback: time.Hour}
		checks := func() (n int) {
			for range 120 {
				if v.due(time.Now()) {
					n++
				}
				time.Sleep(time.Minute)
			}
			return n
		}
		if n := checks(); n != 2 {
			t.Errorf("%d checks in two hours of events, want 2", n)
		}
		up = false
		if n := checks(); n != 120 {
			t.Errorf("%d checks in two hours without a queue, want one a minute", n)
		}
	})
}
