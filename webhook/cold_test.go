package webhook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// parameterStore is SSM, as all replicas together see it.
type parameterStore struct {
	mu    sync.Mutex
	calls map[string]int
}

func (*parameterStore) Name() metrics.Source           { return metrics.SourceSSM }
func (*parameterStore) Key(q facts.Question) facts.Key { return facts.Key{Name: q.Parameter} }

func (s *parameterStore) Read(_ context.Context, key facts.Key) facts.Parameter {
	time.Sleep(30 * time.Millisecond) // in synctest's time
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[key.Name]++
	return facts.Parameter{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}, Version: 1}}
}

// records are what the leader wrote, as the watch brings it to every replica.
type records struct {
	mu      sync.Mutex
	known   map[string]facts.Parameter
	changed chan struct{}
}

func (r *records) write(parameter string, p facts.Parameter) {
	time.Sleep(20 * time.Millisecond) // the API server and the watch
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[parameter] = p
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *records) look(parameter string) (*facts.Parameter, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.known[parameter]; ok {
		return &p, r.changed
	}
	return nil, r.changed
}

// coldReplica is one of a cluster's, with nothing in its memory.
type coldReplica struct {
	*world
	records *records
	follows bool
}

func (c coldReplica) State(_ context.Context, namespace string, d graft.Decision) facts.State {
	question := facts.QuestionOf(namespace, d.Identity)
	known, _ := c.records.look(d.Identity.Parameter)
	switch {
	case known != nil:
		return facts.State{Keys: facts.Known{Parameter: known.Parameter}}
	case c.follows:
		return facts.State{Keys: facts.Await{Question: question}}
	}
	return facts.State{Keys: facts.Ask{Question: question}}
}

func (c coldReplica) Recorded(ctx context.Context, namespace string, d graft.Decision) facts.State {
	for {
		known, changed := c.records.look(d.Identity.Parameter)
		if known != nil {
			return facts.State{Keys: facts.Known{Parameter: known.Parameter}}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return c.State(ctx, namespace, d)
		}
	}
}

func (c coldReplica) handler(parameters ParameterGetter) *Pods {
	handler := c.world.handler(&strings.Builder{})
	handler.Parameters, handler.ExternalSecrets, handler.Log, handler.FactsTimeout = parameters, c, logr.Discard(), 300*time.Millisecond
	handler.Metrics, handler.Notices = metrics.New(prometheus.NewRegistry()), nil
	return handler
}

// newAppPod is the review of a pod of a Deployment.
func newAppPod(app string) admission.Request {
	return podReview(func(r *admission.Request) {
		r.Object.Raw = fmt.Appendf(nil, `{"metadata":{"generateName":"%[1]s-","labels":{"app.kubernetes.io/name":"%[1]s"},`+
			`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"%[1]s-1","uid":"%[1]s","controller":true}]},`+
			`"spec":{"containers":[{"name":"app","env":[{"name":"DEBUG","value":"1"}]}]}}`, app)
	})
}

// TestColdReplicas rolls 5,000 pods of 500 new apps out over two replicas that
// know nothing: SSM is asked once for a parameter, by both together. Only where
// the leader is so far behind that an admission's time is over, the follower spends
// of its own budget: it must not let in what the leader denies.
func TestColdReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &parameterStore{calls: map[string]int{}}
		written := &records{known: map[string]facts.Parameter{}, changed: make(chan struct{})}
		cacheOf := func(budget *facts.Budget) *facts.Cache {
			return facts.NewCache(store, metrics.New(prometheus.NewRegistry()), facts.CacheOptions{Budget: budget})
		}
		leader := cacheOf(facts.NewBudget(5, 20))
		replicas := []*Pods{
			coldReplica{world: &world{}, records: written}.handler(leader),
			coldReplica{world: &world{}, records: written, follows: true}.handler(cacheOf(facts.NewBudget(5, 20))),
		}
		var all sync.WaitGroup
		// The leader's controller sees each workload before its pods come.
		controller := leader.By(facts.NewBudget(5, 20))
		all.Go(func() {
			for n := range 500 {
				path := fmt.Sprintf("/popapps/app%d/stage/app", n)
				for {
					p := controller.Parameter(t.Context(), facts.Question{Namespace: "popapps", Parameter: path})
					if p.Known() {
						all.Go(func() { written.write(path, p) })
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
		var mu sync.Mutex
		patched := 0
		for n := range 5000 {
			all.Go(func() {
				time.Sleep(time.Duration(n/500) * time.Second) // more than the calls are enough for
				response := replicas[n%2].Handle(t.Context(), newAppPod(fmt.Sprintf("app%d", n/10)))
				if !response.Allowed {
					t.Errorf("pod %d: %+v", n, response.Result)
				}
				if strings.Contains(fmt.Sprintf("%s", response.Patches), "secretKeyRef") {
					mu.Lock()
					defer mu.Unlock()
					patched++
				}
			})
		}
		all.Wait()
		t.Logf("5,000 pods of 500 apps: %d calls of SSM, %d pods with their literal bound", len(store.calls), patched)
		sum := 0
		for _, calls := range store.calls {
			sum += calls
		}
		const own = 20 + 5*10 // of the follower's budget, in the ten seconds
		if limit := slices.Max(slices.Collect(maps.Values(store.calls))); limit > len(replicas) || len(store.calls) != 500 || sum > 500+own {
			t.Errorf("%d parameters were asked for, one of them %d times, %d calls in all; want 500, and no more than %d calls", len(store.calls), limit, sum, 500+own)
		}
	})
}
