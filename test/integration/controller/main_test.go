// Package controller holds the tests of the ExternalSecret controller against a
// real API server. The tests play the webhook, the workloads' controllers and
// ESO; kube-controller-manager collects garbage, where the assets have it.
package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/test/rights"
)

// The control plane is one for all tests, which run one after the other: they
// install and remove ESO's CRDs.
var (
	plane *envtest.Environment
	kube  client.Client
	// installed has the rights that people grant.
	installed *rest.Config
)

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Fprintln(os.Stderr, "KUBEBUILDER_ASSETS names no kube-apiserver: run make test-integration, which finds or builds one")
		os.Exit(1)
	}
	ctrl.SetLogger(logr.Discard())
	os.Exit(run(m))
}

func run(m *testing.M) int {
	plane = &envtest.Environment{}
	restConfig, err := plane.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the API server:", err)
		return 1
	}
	kube, err = client.New(restConfig, client.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot make a client:", err)
		return 1
	}
	err = rights.Grant(context.Background(), kube, "../../../deploy/install.yaml")
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot grant what deploy/install.yaml grants:", err)
		return 1
	}
	user, err := plane.AddUser(rights.User(), nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot add a user:", err)
		return 1
	}
	installed = user.Config()
	code := m.Run()
	if err := plane.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "cannot stop the API server:", err)
		return 1
	}
	return code
}

// replica is an envgraft server's controller, under test.
type replica struct {
	*eso.ExternalSecrets
	engine     *graft.Engine
	parameters *parameters
	calls      *calls
	registry   *prometheus.Registry
}

// startDefault starts a replica that leads, and stops it with the test.
func startDefault(t *testing.T) *replica {
	t.Helper()
	return start(t, controller.Options{})
}

func start(t *testing.T, options controller.Options) *replica {
	t.Helper()
	r := &replica{parameters: &parameters{}, calls: &calls{}, registry: prometheus.NewRegistry()}
	restConfig := rest.CopyConfig(installed)
	restConfig.Wrap(r.calls.count)

	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Cache:   facts.NamespaceCache(),
		Metrics: metricsserver.Options{BindAddress: "0"},
		Logger:  testr.NewWithInterface(quiet{t}, testr.Options{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Environment = "stage"
	r.engine = graft.New(c.Engine())
	if options.DiscoveryInterval == 0 {
		options.DiscoveryInterval = 100 * time.Millisecond
	}
	if options.MinRestartInterval == 0 {
		options.MinRestartInterval = time.Nanosecond
	}
	if options.Queue.MaxConcurrent == 0 {
		options.Queue.MaxConcurrent = 1000 // no new pod gets ready here, and none gives its place back
	}
	options.Workers = 1 // so that settle can tell what was done
	r.ExternalSecrets, err = controller.Setup(mgr, controller.Dependencies{
		Decider:    r.engine,
		Namespaces: namespaces{},
		Parameters: r.parameters,
		Versions:   r.parameters,
		Metrics:    metrics.New(r.registry),
		Settings:   c.ExternalSecretFor,
		Stores:     facts.Stores{Region: "eu-central-1"},
	}, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	return r
}

// quiet keeps the manager's log for tests that fail, and drops what comes
// after their end.
type quiet struct{ t *testing.T }

func (q quiet) Helper() { q.t.Helper() }

func (q quiet) Log(args ...any) {
	if q.t.Context().Err() == nil {
		q.t.Log(args...)
	}
}

// namespaces reads them as they are.
type namespaces struct{}

func (namespaces) Namespace(ctx context.Context, name string) (identity.Namespace, error) {
	ns := &corev1.Namespace{}
	err := kube.Get(ctx, types.NamespacedName{Name: name}, ns)
	return identity.Namespace{Name: ns.Name, Labels: ns.Labels, Annotations: ns.Annotations}, err
}

func (n namespaces) Current(ctx context.Context, name string) (identity.Namespace, error) {
	return n.Namespace(ctx, name)
}

// parameters are SSM's.
type parameters struct {
	mu      sync.Mutex
	known   map[string]facts.Parameter
	lookups map[string]int
	// hang keeps lookups waiting until it is closed.
	hang chan struct{}
	// throttled has each lookup refused at once.
	throttled bool
}

func (p *parameters) put(path string, version int64, modified time.Time, keys ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = make(map[string]facts.Parameter)
	}
	var parameter facts.Parameter
	parameter.State, parameter.Version, parameter.Keys, parameter.Modified = graft.ParameterEmpty, version, keys, modified
	if len(keys) > 0 {
		parameter.State = graft.ParameterFound
	}
	p.known[path] = parameter
}

func (p *parameters) Parameter(_ context.Context, q facts.Question) facts.Parameter {
	p.mu.Lock()
	hang := p.hang
	p.mu.Unlock()
	if hang != nil {
		<-hang
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lookups == nil {
		p.lookups = make(map[string]int)
	}
	p.lookups[q.Parameter]++
	if p.throttled {
		return facts.Parameter{Parameter: graft.Parameter{State: graft.ParameterThrottled}}
	}
	if parameter, ok := p.known[q.Parameter]; ok {
		parameter.Fetched = time.Now()
		return parameter
	}
	return facts.Parameter{Parameter: graft.Parameter{State: graft.ParameterNotFound}}
}

func (p *parameters) asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lookups[path]
}

// calls counts the requests that a replica makes of the API server, less the
// watches, leases and Events.
type calls struct {
	mu   sync.Mutex
	seen []string
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *calls) count(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("watch") == "" && !strings.Contains(r.URL.Path, "/events") {
			c.mu.Lock()
			c.seen = append(c.seen, r.Method+" "+r.URL.Path)
			c.mu.Unlock()
		}
		return next.RoundTrip(r)
	})
}

// to lists the requests whose path holds a text, as a namespace's name.
func (c *calls) to(text string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var matching []string
	for _, call := range c.seen {
		if strings.Contains(call, text) {
			matching = append(matching, call)
		}
	}
	return matching
}

// forApps lists the requests in a namespace but for the scan of all its pods.
func (c *calls) forApps(ns string) []string {
	return slices.DeleteFunc(c.to(ns), func(call string) bool { return strings.HasSuffix(call, "/pods") })
}

// eventually waits for what a controller does in its own time.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// eventsAbout returns the notes of Events on an object, by reason.
func eventsAbout(t *testing.T, object client.Object) map[string][]string {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := kube.List(t.Context(), list, client.InNamespace(object.GetNamespace())); err != nil {
		t.Fatal(err)
	}
	notes := make(map[string][]string)
	for _, e := range list.Items {
		if e.Regarding.UID == object.GetUID() {
			notes[e.Reason] = append(notes[e.Reason], e.Note)
		}
	}
	return notes
}

// waitForEvent waits for an Event on an object, and returns its note.
func waitForEvent(t *testing.T, object client.Object, reason string) string {
	t.Helper()
	var note string
	eventually(t, "Event "+reason, func() error {
		seen := eventsAbout(t, object)
		if len(seen[reason]) == 0 {
			return fmt.Errorf("there are only %v", seen)
		}
		note = seen[reason][0]
		return nil
	})
	return note
}

var errStill = errors.New("still there")

func create[T client.Object](t *testing.T, object T) T {
	t.Helper()
	if err := kube.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	return object
}

// namespace makes one for a test. Its workloads and pods go with the test: the
// next one's controller would see to them, too.
func namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	ns := create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "rc-", Labels: labels}}).Name
	t.Cleanup(func() {
		for _, kind := range []client.Object{
			&appsv1.Deployment{}, &appsv1.StatefulSet{}, &appsv1.DaemonSet{}, &batchv1.CronJob{}, &corev1.Pod{},
		} {
			err := kube.DeleteAllOf(context.Background(), kind, client.InNamespace(ns), client.GracePeriodSeconds(0),
				client.PropagationPolicy(metav1.DeletePropagationBackground))
			if err != nil {
				t.Error(err)
			}
		}
	})
	return ns
}

// settleCalls are the calls that settle costs.
const settleCalls = 2

// settle waits until the controller worked off what was created before: apps
// that come after it, one by a Deployment and one by a pod, for these are
// watched apart, have their ExternalSecrets.
func settle(t *testing.T, ns string) {
	t.Helper()
	app := "marker-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	idle(t, ns, app, app, marks{})
	barePod(t, ns, app+"-bare", marks{})
	waitFor(t, ns, app+"-external", nil)
	waitFor(t, ns, app+"-bare-external", nil)
}

// waitSecond waits for the API server's clock to show another second.
func waitSecond(t *testing.T) {
	t.Helper()
	began := time.Now().Unix()
	eventually(t, "the next second", func() error {
		if time.Now().Unix() == began {
			return errStill
		}
		return nil
	})
}

// decision is what the webhook makes of a pod.
func (r *replica) decision(t *testing.T, p client.Object) graft.Decision {
	t.Helper()
	ns, err := namespaces{}.Namespace(t.Context(), p.GetNamespace())
	if err != nil {
		t.Fatal(err)
	}
	return r.engine.Decide(ns, identity.Pod{Labels: p.GetLabels(), Annotations: p.GetAnnotations()})
}

// sees waits until the replica knows of the refresh that fills an app's Secret.
func (r *replica) sees(t *testing.T, ns, app string) {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: template(app, marks{}).ObjectMeta}
	p.Namespace = ns
	eventually(t, "the informer of ExternalSecrets", func() error {
		if question(r.State(t.Context(), ns, r.decision(t, p))).FreshAfter.IsZero() {
			return errors.New("no refresh was seen")
		}
		return nil
	})
}
