package restarts_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/restarts"
)

// wait is of the bubble's clock.
func wait(d time.Duration) { <-time.After(d) }

func request(namespace, parameter string, n int, version string) restarts.Request {
	name := fmt.Sprintf("%s-%d", parameter, n)
	return restarts.Request{
		UID: types.UID(namespace + "/" + name), Kind: "Deployment", Name: name, Group: restarts.Group{Namespace: namespace, Parameter: parameter}, Version: version,
	}
}

// TestFiftyWorkloadsOfOneParameter restarts one, then the others by the cap.
func TestFiftyWorkloadsOfOneParameter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counts := map[restarts.Reason]int{}
		q := restarts.New(restarts.Options{MaxConcurrent: 5, Waiting: func(c map[restarts.Reason]int) { counts = c }})
		restarted, peak := map[types.UID]time.Time{}, 0
		for round := range 60 {
			for _, r := range q.Due() {
				if time.Since(restarted[r.UID]) >= time.Minute {
					q.Observe(r.UID, restarts.Ready)
				} else {
					q.Observe(r.UID, restarts.Rolling)
				}
			}
			for n := range 50 {
				r := request("shop", "/shop/db", n, "2")
				if _, done := restarted[r.UID]; done {
					continue
				}
				if d := q.Ask(r); d.Reason == "" {
					restarted[r.UID] = time.Now()
				}
			}
			if round == 2 && len(restarted) != 1 {
				t.Errorf("%d were restarted before the first was ready", len(restarted))
			}
			if round == 0 && counts[restarts.Turn] != 49 {
				t.Errorf("%v wait, want 49", counts)
			}
			under := 0
			for _, at := range restarted {
				if time.Since(at) < time.Minute {
					under++
				}
			}
			peak = max(peak, under)
			wait(restarts.Poll)
		}
		if len(restarted) != 50 || peak != 5 || counts[restarts.Turn] != 0 {
			t.Errorf("%d of 50 were restarted, %d at a time at most, %v wait; want all, 5, none", len(restarted), peak, counts)
		}
	})
}

// TestHold has the others wait for one that does not get ready, until it does,
// a person releases it, or it is gone; and lets it be restarted itself.
func TestHold(t *testing.T) {
	for end, want := range map[restarts.Progress]restarts.Reason{
		restarts.Rolling: restarts.Held, restarts.Ready: "", restarts.Released: "", restarts.Gone: "",
	} {
		t.Run(string(end), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := restarts.New(restarts.Options{ReadyTimeout: 5 * time.Minute})
				first, second := request("shop", "/shop/db", 1, "2"), request("shop", "/shop/db", 2, "2")
				if d := q.Ask(first); d.Reason != "" {
					t.Fatalf("the first waits: %+v", d)
				}
				wait(4 * time.Minute)
				q.Observe(first.UID, restarts.Rolling)
				if d := q.Ask(second); d.Reason != restarts.Turn || d.By != first {
					t.Errorf("before the timeout: %+v, want to wait for the first", d)
				}
				wait(time.Minute)
				q.Observe(first.UID, restarts.Rolling)
				if d := q.Ask(second); d.Reason != restarts.Held || d.By != first || d.Wait != restarts.Poll {
					t.Errorf("after it: %+v, want to be held by the first", d)
				}
				q.Observe(first.UID, end)
				if d := q.Ask(second); d.Reason != want {
					t.Errorf("the first is %s: %+v, want %q", end, d, want)
				}
				if end == restarts.Rolling {
					first.Version = "3"
					if d := q.Ask(first); d.Reason != "" {
						t.Errorf("a newer version cannot reach the one that is broken: %+v", d)
					}
				}
			})
		})
	}
}

// TestTenants keeps one tenant's workloads from holding up another's, also by
// the same parameter, and by as many restarts as there are places.
func TestTenants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := restarts.New(restarts.Options{MaxConcurrent: 2, ReadyTimeout: 5 * time.Minute})
		for n := range 100 { // of many parameters, none of which gets ready
			q.Ask(request("evil", fmt.Sprintf("/shared/%d", n), n, "2"))
		}
		ours := request("shop", "/shared/0", 0, "2")
		waited := time.Duration(0)
		for ; q.Ask(ours).Reason != ""; waited += restarts.Poll {
			if waited > 10*time.Minute {
				t.Fatal("another tenant's unready workloads hold this one up")
			}
			wait(restarts.Poll)
			for _, r := range q.Due() {
				q.Observe(r.UID, restarts.Rolling)
			}
			for n := range 100 {
				q.Ask(request("evil", fmt.Sprintf("/shared/%d", n), n, "2"))
			}
		}
		if d := q.Ask(request("shop", "/shared/0", 1, "2")); d.Reason != restarts.Turn || d.By != ours {
			t.Errorf("the second of a group that is not proven: %+v", d)
		}
	})
}

// TestTimes asks within windows alone, whatever the zone and the day.
func TestTimes(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		spans  []string
		now    string
		want   time.Duration
	}{
		"None":        {"no window is always", nil, "2026-03-02T03:00:00Z", 0},
		"Within":      {"Monday in Berlin", []string{"Mon-Fri 09:00-17:00 Europe/Berlin"}, "2026-03-02T08:00:00Z", 0},
		"Before":      {"an hour too early", []string{"Mon-Fri 09:00-17:00 Europe/Berlin"}, "2026-03-02T07:00:00Z", time.Hour},
		"End":         {"the end is not in it", []string{"Mon-Fri 09:00-17:00 Europe/Berlin"}, "2026-03-02T16:00:00Z", time.Hour},
		"Weekend":     {"asked again in an hour at the latest", []string{"Mon-Fri 09:00-17:00"}, "2026-03-07T10:00:00Z", time.Hour},
		"Midnight":    {"Friday's lasts into Saturday", []string{"Fri 22:00-04:00"}, "2026-03-07T03:59:00Z", 0},
		"NotOnFriday": {"Thursday night is none", []string{"Fri 22:00-04:00"}, "2026-03-06T03:59:00Z", time.Hour},
		"Around":      {"a range over the week's end", []string{"Sat-Mon 00:00-23:59"}, "2026-03-08T12:00:00Z", 0},
		"Second":      {"one of two", []string{"Mon 01:00-02:00", "Mon 03:30-04:00"}, "2026-03-02T03:00:00Z", 30 * time.Minute},
		"AllDay":      {"from a time to itself", []string{"daily 05:00-05:00"}, "2026-03-02T04:59:00Z", 0},
		"Summer":      {"clocks went forward that night", []string{"Sun 03:00-04:00 Europe/Berlin"}, "2026-03-29T01:30:00Z", 0},
		"OneSecond":   {"not a moment before", []string{"daily 12:00-13:00"}, "2026-03-02T11:59:59Z", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, tc.now)
			if err != nil {
				t.Fatal(err)
			}
			var spans []restarts.Span
			for _, text := range tc.spans {
				s, err := restarts.ParseSpan(text)
				if err != nil {
					t.Fatal(err)
				}
				spans = append(spans, s)
			}
			q := restarts.New(restarts.Options{Windows: spans, Now: func() time.Time { return now }})
			want := restarts.Decision{Reason: restarts.Window, Wait: tc.want}
			if tc.want == 0 {
				want = restarts.Decision{}
			}
			if diff := cmp.Diff(want, q.Ask(request("shop", "/a", 1, "2"))); diff != "" {
				t.Errorf("%s (-want, +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseSpanRefuses(t *testing.T) {
	for _, text := range []string{
		"", "always", "Mon", "Mon 9:00-17:00", "Mon 09:00-24:01", "Mon 09:60-10:00", "mon 09:00-10:00", "Mon- 09:00-10:00", "Mon,,Tue 09:00-10:00",
		"Mon 09:00-10:00 Berlin", "Mon 09:00-10:00 Local", "Mon 09:00-10:00 ../../etc/passwd", " Mon 09:00-10:00", "0 3 * * *",
	} {
		if s, err := restarts.ParseSpan(text); err == nil {
			t.Errorf("%q is taken: %+v", text, s)
		}
	}
}

// TestWhoLeaves is waited for no more: a workload that was deleted, say.
func TestWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counts map[restarts.Reason]int
		q := restarts.New(restarts.Options{MaxConcurrent: 1, Waiting: func(c map[restarts.Reason]int) { counts = c }})
		running, gone, ours := request("a", "/a", 1, "1"), request("b", "/b", 1, "1"), request("c", "/c", 1, "1")
		q.Ask(running)
		q.Ask(gone)
		wait(time.Minute)
		q.Ask(ours)
		q.Withdraw(running.UID)
		if d := q.Ask(ours); d.Reason != restarts.Turn {
			t.Errorf("who waits for longer is passed over: %+v", d)
		}
		for range 10 {
			wait(restarts.Poll)
			if q.Ask(ours).Reason == "" {
				break
			}
		}
		if len(q.Due()) > 1 || counts[restarts.Turn] != 0 {
			t.Errorf("%v wait", counts)
		}
	})
}

// TestIdle has four workloads that replace nothing, paused ones say, come one
// after the other: none proves the version, so none frees the others at once.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := restarts.New(restarts.Options{})
		for n := range 4 {
			if d := q.Ask(request("shop", "/shop/db", n, "2")); d.Reason != "" {
				t.Fatalf("%d waits: %+v", n, d)
			}
			for other := n + 1; other < 4; other++ {
				if d := q.Ask(request("shop", "/shop/db", other, "2")); d.Reason != restarts.Turn {
					t.Errorf("%d of 4 is restarted beside %d: nothing proved the version", other, n)
				}
			}
			q.Observe(request("shop", "/shop/db", n, "2").UID, restarts.Idle)
		}
	})
}

// TestUnreadable gives back the place of a workload that cannot be read, and frees
// its group in the end.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := restarts.New(restarts.Options{MaxConcurrent: 1, ReadyTimeout: 5 * time.Minute})
		lost, same, other := request("shop", "/shop/db", 1, "2"), request("shop", "/shop/db", 2, "2"), request("cart", "/cart", 1, "1")
		q.Ask(lost)
		wait(4 * time.Minute)
		q.Observe(lost.UID, restarts.Unknown)
		if d := q.Ask(other); d.Reason != restarts.Turn {
			t.Errorf("within the timeout the place is taken: %+v", d)
		}
		wait(2 * time.Minute)
		q.Observe(lost.UID, restarts.Unknown)
		if d := q.Ask(other); d.Reason != "" {
			t.Errorf("after it the place is kept from others: %+v", d)
		}
		if d := q.Ask(same); d.Reason != restarts.Held {
			t.Errorf("the group goes on without it: %+v", d)
		}
		q.Observe(other.UID, restarts.Ready)
		wait(time.Hour)
		q.Observe(lost.UID, restarts.Unknown)
		if d := q.Ask(same); d.Reason != "" {
			t.Errorf("an hour later it still holds its group: %+v", d)
		}
	})
}
