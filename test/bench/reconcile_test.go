// Package bench measures envgraft against a real API server.
package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/webhook"
)

// The cluster that is measured. BENCH_APPS makes it smaller for a quick look.
const (
	defaultApps = 20000
	namespaces  = 2000
	// patience bounds each phase.
	patience = 20 * time.Minute
)

func apps() (int, error) {
	value, set := os.LookupEnv("BENCH_APPS")
	if !set {
		return defaultApps, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("BENCH_APPS is %q: use a number", value)
	}
	return n, nil
}

// BenchmarkController measures starts of the controller on a cluster of one app,
// a hundredth, a tenth and all of them, each with a Deployment, a ReplicaSet and a pod: the first
// start makes all ExternalSecrets, the second, as after a change of the leader,
// finds them. Pods are admitted by what the replica then knows.
// One pass is a measurement of its own: run it with -benchtime 1x.
func BenchmarkController(b *testing.B) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		b.Skip("KUBEBUILDER_ASSETS names no kube-apiserver: run make bench")
	}
	ctrl.SetLogger(logr.Discard())
	n, err := apps()
	if err != nil {
		b.Fatal(err)
	}
	env := &envtest.Environment{}
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Enable("unsafe-no-fsync") // the disk is not what is measured
	restConfig, err := env.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := env.Stop(); err != nil {
			b.Error(err)
		}
	})
	restConfig.QPS = -1
	if err := installESO(b, restConfig); err != nil {
		b.Fatal(err)
	}
	rows := []string{"apps,pods,cpu_us"}
	from := 0
	for _, to := range []int{1, n / 100, n / 10, n} {
		if from >= to {
			continue
		}
		if err := populate(b, restConfig, from, to); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("apps=%d/install", to), func(b *testing.B) {
			for b.Loop() {
				measure(b, restConfig, to, to-from)
			}
		})
		b.Run(fmt.Sprintf("apps=%d/restart", to), func(b *testing.B) {
			for b.Loop() {
				rows = append(rows, measure(b, restConfig, to, to)...)
			}
		})
		from = to
	}
	if file := os.Getenv("BENCH_CSV"); file != "" {
		if err := os.WriteFile(file, []byte(strings.Join(rows, "\n")+"\n"), 0o644); err != nil {
			b.Fatal(err)
		}
	}
}

// measure runs a controller until it has seen to all apps, and reports its calls
// for each of those that are new to it. It returns what admissions cost then.
func measure(b *testing.B, restConfig *rest.Config, apps, unseen int) (rows []string) {
	b.Helper()
	counter := &requests{}
	counted := rest.CopyConfig(restConfig)
	counted.Wrap(counter.count)
	registry := prometheus.NewRegistry()
	before := heap()

	mgr, pods, err := newManager(counted, registry)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	stopped := make(chan error, 1)
	began := time.Now()
	var ready atomic.Int64
	// Runnables start once the caches have synced, which is when serve is ready.
	if err := mgr.Add(manager.RunnableFunc(func(context.Context) error { ready.Store(int64(time.Since(began))); return nil })); err != nil {
		b.Fatal(err)
	}
	go func() { stopped <- mgr.Start(ctx) }()
	ended, err := converge(ctx, registry, apps, counter)
	if err != nil {
		b.Fatal(err)
	}
	took := ended.Sub(began)
	if unsynced := apps - inState(registry, externalsecret.StateReady); unsynced > 0 {
		if err := synchronize(ctx, restConfig, apps-unsynced, apps, func() error {
			_, err := converge(ctx, registry, apps, counter)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	if synced := inState(registry, externalsecret.StateReady); synced != apps {
		b.Fatalf("%d of %d apps are synced", synced, apps)
	}

	if err := writeHeap(b.Name()); err != nil {
		b.Fatal(err)
	}
	one, err := admit(ctx, pods, 1)
	if err != nil {
		b.Fatal(err)
	}
	all, err := admit(ctx, pods, apps)
	if err != nil {
		b.Fatal(err)
	}
	for pods, took := range map[string]time.Duration{"of one app": one, "of all apps": all} {
		rows = append(rows, fmt.Sprintf("%d,%s,%.1f", apps, pods, float64(took.Nanoseconds())/1000))
	}
	slices.Sort(rows)
	b.ReportMetric(float64(one.Nanoseconds())/1000, "µs/admission-of-one")
	b.ReportMetric(float64(all.Nanoseconds())/1000, "µs/admission-of-all")
	b.ReportMetric(time.Duration(ready.Load()).Seconds(), "s/ready")
	b.ReportMetric(took.Seconds(), "s/converge")
	b.ReportMetric(float64(counter.total.Load())/float64(unseen), "calls/app")
	b.ReportMetric(float64(counter.writes.Load())/float64(unseen), "writes/app")
	b.ReportMetric(float64(heap()-before)/(1<<20), "heap-MiB")
	b.ReportMetric(resident()/(1<<20), "rss-MiB")
	cancel()
	if err := <-stopped; err != nil {
		b.Fatal(err)
	}
	return rows
}

// newManager returns a manager with the controller, and a webhook that goes by
// what it knows.
func newManager(restConfig *rest.Config, registry *prometheus.Registry) (ctrl.Manager, *webhook.Pods, error) {
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Logger:  logr.Discard(),
		Cache:   facts.NamespaceCache(),
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		return nil, nil, err
	}
	c := config.Default()
	c.Environment = "stage"
	m := metrics.New(registry)
	namespaces, err := facts.NewNamespaces(context.Background(), mgr.GetCache(), mgr.GetAPIReader())
	if err != nil {
		return nil, nil, err
	}
	pods := &webhook.Pods{
		Engine: graft.New(c.Engine()), Namespaces: namespaces, Parameters: facts.NewCache(keys{}, m, facts.CacheOptions{}), ConfigMaps: facts.Static{},
		Metrics: m, Log: logr.Discard(), FactsTimeout: 300 * time.Millisecond,
	}
	external, err := controller.Setup(mgr, controller.Dependencies{
		Decider:    pods.Engine,
		Namespaces: namespaces,
		Parameters: facts.Direct{Source: keys{}},
		Metrics:    m,
		Settings:   c.ExternalSecretFor,
		Stores:     facts.Stores{Region: "eu-central-1"},
	}, controller.Options{LookupsPerSecond: 1e6})
	pods.ExternalSecrets = external
	return mgr, pods, err
}

// keys are the same ten of every parameter.
type keys struct{}

func (keys) Name() metrics.Source           { return metrics.SourceSSM }
func (keys) Key(q facts.Question) facts.Key { return facts.Key{Name: q.Parameter} }

func (keys) Read(context.Context, facts.Key) facts.Parameter {
	var p facts.Parameter
	p.State, p.Version = graft.ParameterFound, 1
	for n := range 10 {
		p.Keys = append(p.Keys, fmt.Sprintf("KEY_%d", n))
	}
	return p
}

// converge waits until every app was seen to and no calls are made any more,
// and returns when the last one was. An app may wait for its keys, a second at most.
func converge(ctx context.Context, registry *prometheus.Registry, apps int, counter *requests) (time.Time, error) {
	const quiet = 3 * time.Second
	changed := time.Now()
	for lastReady, lastCalls := -1, int64(-1); ; {
		ready := inState(registry, externalsecret.StateReady)
		seen := ready + inState(registry, externalsecret.StatePending)
		if calls := counter.total.Load(); ready != lastReady || calls != lastCalls {
			lastReady, lastCalls, changed = ready, calls, time.Now()
		} else if seen == apps && time.Since(changed) > quiet {
			return changed, nil
		}
		select {
		case <-ctx.Done():
			return changed, fmt.Errorf("%d of %d apps were seen to: %w", seen, apps, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// inState counts the apps whose ExternalSecret is in a state.
func inState(registry *prometheus.Registry, state externalsecret.State) int {
	families, err := registry.Gather()
	if err != nil {
		return 0
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "envgraft_external_secrets" && m.GetLabel()[0].GetValue() == string(state) {
				return int(m.GetGauge().GetValue())
			}
		}
	}
	return 0
}

// requests counts calls of the API server, less watches and Events. Scans are
// those for pods that the webhook did not see, one a namespace every 5 min,
// whatever the apps.
type requests struct{ total, writes, scans atomic.Int64 }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *requests) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		switch namespaced := strings.Contains(r.URL.Path, "/namespaces/"); {
		case r.URL.Query().Get("watch") != "", strings.HasSuffix(r.URL.Path, "/events"):
		case namespaced && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/pods"):
			c.scans.Add(1)
		default:
			c.total.Add(1)
			if r.Method != http.MethodGet {
				c.writes.Add(1)
			}
		}
		return next.RoundTrip(r)
	})
}

// writeHeap writes a profile of what is held to the directory BENCH_HEAP, where
// that is set.
func writeHeap(name string) error {
	dir := os.Getenv("BENCH_HEAP")
	if dir == "" {
		return nil
	}
	file, err := os.Create(filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+".heap"))
	if err != nil {
		return err
	}
	runtime.GC()
	runtime.GC() // a profile is of the collection before the last
	return errors.Join(pprof.WriteHeapProfile(file), file.Close())
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers let go
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc) //nolint:gosec // far below 2^63
}

// resident is the process's memory as the kernel counts it, in bytes. It holds
// what the making of the cluster left behind, too.
func resident() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kilobytes); err == nil {
			return kilobytes * 1024
		}
	}
	return 0
}
