package facts

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/test/ssmfake"
)

// TestRollout admits 1,000 pods of one app, with all that can be the matter
// with SSM, through cache, budget, SDK and wire.
func TestRollout(t *testing.T) {
	for name, tc := range map[string]struct {
		fault       ssmfake.Kind
		credentials bool
		want        graft.ParameterState
		limit       int
	}{
		"Well":               {"", true, graft.ParameterFound, 1},
		"Hanging":            {ssmfake.Hang, true, graft.ParameterUnreachable, 1},
		"Throttled":          {ssmfake.Throttle, true, graft.ParameterThrottled, 1},
		"Failing":            {ssmfake.Fail, true, graft.ParameterUnreachable, 2}, // the SDK tries once more
		"Malformed":          {ssmfake.Malformed, true, graft.ParameterUnreachable, 1},
		"Denied":             {ssmfake.Deny, true, graft.ParameterAccessDenied, 1},
		"WithoutCredentials": {"", false, graft.ParameterUnreachable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			isolateAWS(t)
			if tc.credentials {
				haveCredentials(t)
			}
			fake := ssmfake.New()
			fake.Put(path, `{"A":"hunter2"}`)
			if tc.fault != "" {
				fake.Inject(ssmfake.Fault{Kind: tc.fault})
			}
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			budget := NewBudget(5, 20)
			m := metrics.New(prometheus.NewRegistry())
			cache := NewCache(NewSSM(clientsOf(t, server.URL, budget), m), m, CacheOptions{Budget: budget, FetchTimeout: time.Second})
			var mu sync.Mutex
			states := map[graft.ParameterState]int{}
			var pods sync.WaitGroup
			for range 1000 {
				pods.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
					defer cancel()
					p := cache.Parameter(ctx, ask(path))
					mu.Lock()
					defer mu.Unlock()
					states[p.State]++
				})
			}
			pods.Wait()
			calls := fake.Calls("GetParameter")
			t.Logf("1,000 pods: %d calls, %v", calls, states)
			if calls > tc.limit {
				t.Errorf("%d calls, want %d at most", calls, tc.limit)
			}
			// A busy machine may answer some after their time, which is Unreachable.
			delete(states, graft.ParameterUnreachable)
			delete(states, tc.want)
			if len(states) > 0 {
				t.Errorf("some pods were told %v, want %s", states, tc.want)
			}
		})
	}
}
