// Package bench measures envgraft against a real API server.
package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeapi "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/reconcile"
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

// admit has pods admitted, of as many apps as are asked for in turn, and says
// how much CPU one took.
func admit(ctx context.Context, pods *webhook.Pods, apps int) (time.Duration, error) {
	const admissions = 20000
	requests := make([]admission.Request, min(apps, 2000))
	for i := range requests {
		n := i * apps / len(requests)
		requests[i].AdmissionRequest = admissionv1.AdmissionRequest{
			Operation: admissionv1.Create, Namespace: fmt.Sprintf("team-%d", n%namespaces),
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		}
		requests[i].Object.Raw = fmt.Appendf(nil, `{"metadata":{"generateName":"app-","labels":{"app.kubernetes.io/name":"app-%d"}},`+
			`"spec":{"containers":[{"name":"app","image":"app","env":[{"name":"KEY_1","value":"x"},{"name":"OTHER","value":"y"}]}]}}`, n)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before time.Duration
	for i := range len(requests) + admissions {
		if i == len(requests) { // by then, all parameters are known
			var err error
			if before, err = usedCPU(); err != nil {
				return 0, err
			}
		}
		response := pods.Handle(ctx, requests[i%len(requests)])
		if !response.Allowed || len(response.Patches) == 0 || len(response.Warnings) > 1 {
			return 0, fmt.Errorf("a pod of %s was not injected by what is known: %v, %q", requests[i%len(requests)].Namespace, response.Result, response.Warnings)
		}
	}
	after, err := usedCPU()
	return (after - before) / admissions, err
}

// usedCPU is what this thread has used: the controller works beside it.
func usedCPU() (time.Duration, error) {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
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
	external, err := reconcile.Setup(mgr, reconcile.Dependencies{
		Decider:    pods.Engine,
		Namespaces: namespaces,
		Parameters: facts.Direct{Source: keys{}},
		Metrics:    m,
		Settings:   c.ExternalSecretFor,
		Reach:      facts.AnyStore{},
	}, reconcile.Options{LookupsPerSecond: 1e6})
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
	for lastSeen, lastCalls := -1, int64(-1); ; {
		seen, err := pending(registry)
		if err != nil {
			return changed, err
		}
		if calls := counter.total.Load(); seen != lastSeen || calls != lastCalls {
			lastSeen, lastCalls, changed = seen, calls, time.Now()
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

// pending counts the apps whose ExternalSecret waits for ESO, which is not there.
func pending(registry *prometheus.Registry) (int, error) {
	families, err := registry.Gather()
	if err != nil {
		return 0, err
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == "envgraft_external_secrets" && m.GetLabel()[0].GetValue() == string(metrics.ExternalSecretPending) {
				return int(m.GetGauge().GetValue()), nil
			}
		}
	}
	return 0, errors.New("no metric envgraft_external_secrets")
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

// populate makes the cluster that is measured.
func populate(b *testing.B, restConfig *rest.Config, from, to int) error {
	b.Helper()
	writing := rest.CopyConfig(restConfig)
	writing.ContentType = runtimeapi.ContentTypeProtobuf
	writer, err := client.New(writing, client.Options{})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(32)
	var once [namespaces]sync.Once
	for n := from; n < to; n++ {
		group.Go(func() error {
			at, name := n%namespaces, fmt.Sprintf("app-%d", n)
			ns := fmt.Sprintf("team-%d", at)
			var err error
			once[at].Do(func() {
				err = writer.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
					Name: ns, Labels: map[string]string{api.LabelInject: api.Enabled},
				}})
			})
			if err != nil && !apierrors.IsAlreadyExists(err) {
				return err
			}
			return app(ctx, writer, ns, name)
		})
	}
	return group.Wait()
}

// app makes a Deployment, its ReplicaSet and an injected pod.
func app(ctx context.Context, writer client.Client, ns, name string) error {
	labels := map[string]string{api.LabelName: name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       appsv1.DeploymentSpec{Selector: selector, Template: template},
	}
	if err := writer.Create(ctx, d); err != nil {
		return err
	}
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: name + "-1",
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: template},
	}
	if err := writer.Create(ctx, rs); err != nil {
		return err
	}
	return writer.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: name + "-1-1",
			Labels: map[string]string{api.LabelName: name, api.LabelApp: name, "pod-template-hash": "1"},
			Annotations: map[string]string{
				api.AnnotationInjected:         "ConfigMap/" + name + "-config,Secret/" + name + "-secrets",
				api.AnnotationParameter:        "/" + ns + "/" + name + "/stage/app",
				api.AnnotationParameterVersion: "1",
			},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
		},
		Spec: template.Spec,
	})
}

// installESO installs the CRDs that the controller looks at, and the store.
func installESO(b *testing.B, restConfig *rest.Config) error {
	b.Helper()
	writer, err := client.New(restConfig, client.Options{})
	if err != nil {
		return err
	}
	command := exec.CommandContext(b.Context(), "go", "mod", "download", "-json", "github.com/external-secrets/external-secrets@v0.19.2")
	command.Dir = b.TempDir()
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("cannot download ESO's CRDs: %w", err)
	}
	var module struct{ Dir string }
	if err := yaml.Unmarshal(output, &module); err != nil {
		return err
	}
	for _, plural := range []string{"externalsecrets", "secretstores", "clustersecretstores"} {
		raw, err := os.ReadFile(filepath.Join(module.Dir, "config", "crds", "bases", "external-secrets.io_"+plural+".yaml"))
		if err != nil {
			return err
		}
		crd := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(raw, &crd.Object); err != nil {
			return err
		}
		if err := writer.Create(b.Context(), crd); err != nil {
			return err
		}
	}
	store := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
		"metadata": map[string]any{"name": "aws-ssm"},
		"spec":     map[string]any{"provider": map[string]any{"aws": map[string]any{"service": "ParameterStore", "region": "eu-central-1"}}},
	}}
	deadline := time.Now().Add(time.Minute)
	for {
		err := writer.Create(b.Context(), store)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
}
