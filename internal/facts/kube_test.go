package facts

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
)

// reader answers every Get by one function, and counts.
type reader struct {
	client.Reader
	get   func(key client.ObjectKey, into client.Object) error
	delay time.Duration

	mu    sync.Mutex
	gets  int
	asked []client.GetOption
}

func (r *reader) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	r.mu.Lock()
	r.gets++
	r.asked = options
	get, delay := r.get, r.delay
	r.mu.Unlock()
	select {
	case <-time.After(delay):
		return get(key, into)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// set changes the answers from the next Get on.
func (r *reader) set(get func(client.ObjectKey, client.Object) error, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.get, r.delay = get, delay
}

func (r *reader) made() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gets
}

func refuse(err error) func(client.ObjectKey, client.Object) error {
	return func(client.ObjectKey, client.Object) error { return err }
}

func forbidden(resource string) error {
	return apierrors.NewForbidden(corev1.Resource(resource), "x", errors.New("no rights"))
}

func TestSecret(t *testing.T) {
	secrets := corev1.Resource("secrets")
	for name, tc := range map[string]struct {
		reason string
		get    func(client.ObjectKey, client.Object) error
		want   graft.Parameter
	}{
		"Found": {"keys, no values", func(key client.ObjectKey, into client.Object) error {
			if key != (client.ObjectKey{Namespace: "shop", Name: "myapp-secrets"}) {
				return errors.New("asked for " + key.String())
			}
			into.(*corev1.Secret).Data = map[string][]byte{"B": []byte("hunter2"), "A": nil}
			return nil
		}, found("A", "B")},
		"Empty":     {"a Secret without keys", refuse(nil), graft.Parameter{State: graft.ParameterEmpty}},
		"NotFound":  {"ESO has not made it", refuse(apierrors.NewNotFound(secrets, "x")), graft.Parameter{State: graft.ParameterNotFound, Inferred: true}},
		"Forbidden": {"the cause names the fix", refuse(forbidden("secrets")), graft.Parameter{State: graft.ParameterAccessDenied, Cause: `facts.keySource is "secret", but the webhook may not get Secret "shop/myapp-secrets": the chart grants it where facts.keySource is set in its values`}},
		"Busy":      {"priority and fairness", refuse(apierrors.NewTooManyRequestsError("later")), graft.Parameter{State: graft.ParameterThrottled, Cause: "the API server limits the webhook's requests"}},
		"Slow":      {"the call's own deadline", refuse(context.DeadlineExceeded), graft.Parameter{State: graft.ParameterUnreachable, Cause: "no answer in time"}},
	} {
		t.Run(name, func(t *testing.T) {
			source := NewSecret(&reader{get: tc.get})
			got := source.Read(t.Context(), source.Key(ask(path)))
			if diff := cmp.Diff(tc.want, got.Parameter); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func TestConfigMaps(t *testing.T) {
	configMaps := corev1.Resource("configmaps")
	for name, tc := range map[string]struct {
		reason string
		get    func(client.ObjectKey, client.Object) error
		want   graft.ConfigMap
	}{
		"Found": {"envFrom reads data and not binaryData", func(_ client.ObjectKey, into client.Object) error {
			object := into.(*corev1.ConfigMap)
			object.Data = map[string]string{"B": "hunter2", "A": ""}
			object.BinaryData = map[string][]byte{"C": nil}
			return nil
		}, graft.ConfigMap{State: graft.ConfigMapFound, Keys: []string{"A", "B"}}},
		"NotFound":  {"the API server said so", refuse(apierrors.NewNotFound(configMaps, "x")), graft.ConfigMap{State: graft.ConfigMapNotFound}},
		"Forbidden": {"not taken for absent", refuse(forbidden("configmaps")), graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: `configmaps "x" is forbidden: no rights`}},
		"Network":   {"not taken for absent", refuse(errors.New("connection refused")), graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: "connection refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			api := &reader{get: tc.get}
			got := NewConfigMaps(api, metrics.New(prometheus.NewRegistry()), 0).ConfigMap(t.Context(), "shop", "myapp-config")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
			var options client.GetOptions
			options.ApplyOptions(api.asked)
			if options.AsGetOptions().ResourceVersion != "0" {
				t.Errorf("asked for resource version %q, want 0, which costs etcd nothing", options.AsGetOptions().ResourceVersion)
			}
		})
	}
}

func TestConfigMapsCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &reader{get: refuse(nil), delay: 10 * time.Millisecond}
		c := NewConfigMaps(api, metrics.New(prometheus.NewRegistry()), 0)
		expect := func(reason string, want graft.ConfigMapState, gets int) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if got := c.ConfigMap(ctx, "shop", "myapp-config"); got.State != want || api.made() != gets {
				t.Errorf("%s: %+v after %d GETs, want %s after %d", reason, got, api.made(), want, gets)
			}
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { expect("one GET for all", graft.ConfigMapFound, 1) })
		}
		all.Wait()
		time.Sleep(4900 * time.Millisecond)
		expect("remembered", graft.ConfigMapFound, 1)
		api.set(refuse(apierrors.NewNotFound(corev1.Resource("configmaps"), "x")), 10*time.Millisecond)
		time.Sleep(100 * time.Millisecond)
		expect("asked again after 5 s", graft.ConfigMapNotFound, 2)
		api.set(refuse(errors.New("down")), 10*time.Millisecond)
		time.Sleep(5 * time.Second)
		expect("nothing old is served", graft.ConfigMapUnknown, 3)
		api.set(refuse(nil), 10*time.Millisecond)
		time.Sleep(time.Second)
		expect("a fault is remembered for a second", graft.ConfigMapFound, 4)
		api.set(refuse(nil), time.Second)
		time.Sleep(5 * time.Second)
		expect("the admission does not wait longer", graft.ConfigMapUnknown, 5)
		time.Sleep(time.Second)
		expect("the next finds the answer", graft.ConfigMapFound, 5)
	})
}

type informer struct {
	cache.Informer
	synced bool
}

func (i informer) HasSynced() bool { return i.synced }

func TestNamespaces(t *testing.T) {
	notFound := refuse(apierrors.NewNotFound(corev1.Resource("namespaces"), "shop"))
	labelled := func(value string) func(client.ObjectKey, client.Object) error {
		return func(key client.ObjectKey, into client.Object) error {
			object := into.(*metav1.PartialObjectMetadata)
			if object.Kind != "Namespace" || object.APIVersion != "v1" || key.Namespace != "" {
				return errors.New("asked for " + object.APIVersion + " " + object.Kind + " " + key.String())
			}
			object.Name = key.Name
			object.Labels = map[string]string{"from": value}
			object.Annotations = map[string]string{"a": "b"}
			return nil
		}
	}
	for name, tc := range map[string]struct {
		reason      string
		synced      bool
		cached, api func(client.ObjectKey, client.Object) error
		want        string
		apiGets     int
		notFound    bool
		err         string
	}{
		"Cached":    {reason: "in memory", synced: true, cached: labelled("cache"), api: notFound, want: "cache"},
		"NotSynced": {reason: "an informer that has not synced knows nothing", cached: labelled("half of it"), api: labelled("api"), want: "api", apiGets: 1},
		"Lagging":   {reason: "a Namespace that is new", synced: true, cached: notFound, api: labelled("api"), want: "api", apiGets: 1},
		"Broken":    {reason: "any trouble of the cache", synced: true, cached: refuse(&cache.ErrCacheNotStarted{}), api: labelled("api"), want: "api", apiGets: 1},
		"Absent":    {reason: "said by the API server", synced: true, cached: notFound, api: notFound, apiGets: 1, notFound: true, err: `cannot get namespace "shop"`},
		"Forbidden": {reason: "is not absent", synced: true, cached: notFound, api: refuse(forbidden("namespaces")), apiGets: 1, err: `cannot get namespace "shop": namespaces "x" is forbidden`},
	} {
		t.Run(name, func(t *testing.T) {
			api := &reader{get: tc.api}
			n := &Namespaces{informer: informer{synced: tc.synced}, cached: cachedReader{listing{}, &reader{get: tc.cached}}, api: api}
			got, err := n.Namespace(t.Context(), "shop")
			want := identity.Namespace{Name: "shop", Labels: map[string]string{"from": tc.want}, Annotations: map[string]string{"a": "b"}}
			if tc.err != "" {
				want = identity.Namespace{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
				t.Errorf("%s: error %v, want %q", tc.reason, err, tc.err)
			}
			if apierrors.IsNotFound(err) != tc.notFound {
				t.Errorf("%s: IsNotFound is %t for %v", tc.reason, !tc.notFound, err)
			}
			if api.gets != tc.apiGets {
				t.Errorf("%s: %d GETs, want %d", tc.reason, api.gets, tc.apiGets)
			}
		})
	}
}

// listing answers a list of Namespaces with those of the labels asked for.
type listing struct {
	client.Reader
	systems map[string]string
}

func (l listing) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	list := into.(*metav1.PartialObjectMetadataList)
	for name, system := range l.systems {
		object := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{api.LabelSystem: system}}}
		for _, indexed := range systemOf(&object) {
			if o.FieldSelector.Matches(fields.Set{indexSystem: indexed}) {
				list.Items = append(list.Items, object)
			}
		}
	}
	return nil
}

// cachedReader gets from one and lists from the other.
type cachedReader struct {
	listing
	gets client.Reader
}

func (c cachedReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	return c.gets.Get(ctx, key, into, options...)
}

func TestClaimant(t *testing.T) {
	n := &Namespaces{cached: listing{systems: map[string]string{"b": "billing", "billing-blue": "billing", "shop": "shop"}}}
	labelled := map[string]string{api.LabelSystem: "billing"}
	for _, tc := range []struct {
		reason string
		ns     identity.Namespace
		want   string
	}{
		{"The first by name, so that the warning stays the same.", identity.Namespace{Name: "billing"}, "b"},
		{"Nobody claims it.", identity.Namespace{Name: "other"}, ""},
		{"It has a system of its own.", identity.Namespace{Name: "billing", Labels: labelled}, ""},
	} {
		if got := n.claimant(t.Context(), tc.ns); got != tc.want {
			t.Errorf("%s\nclaimant of %q is %q, want %q", tc.reason, tc.ns.Name, got, tc.want)
		}
	}
}

func TestStatic(t *testing.T) {
	s := Static{
		Namespaces: map[string]identity.Namespace{"shop": {Name: "shop", Labels: map[string]string{"a": "b"}}},
		ConfigMaps: map[types.NamespacedName][]string{{Namespace: "shop", Name: "myapp-config"}: {"LOG_LEVEL"}},
	}
	if ns, err := s.Namespace(t.Context(), "shop"); err != nil || ns.Labels["a"] != "b" {
		t.Errorf("Namespace(shop) = %+v, %v", ns, err)
	}
	if _, err := s.Namespace(t.Context(), "other"); !apierrors.IsNotFound(err) {
		t.Errorf("Namespace(other): %v, want one that is not found", err)
	}
	if diff := cmp.Diff(graft.ConfigMap{State: graft.ConfigMapFound, Keys: []string{"LOG_LEVEL"}}, s.ConfigMap(t.Context(), "shop", "myapp-config")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := s.ConfigMap(t.Context(), "other", "myapp-config"); got.State != graft.ConfigMapNotFound {
		t.Errorf("a ConfigMap of another namespace: %+v, want NotFound", got)
	}
	s.Partial = true
	if got := s.ConfigMap(t.Context(), "other", "myapp-config"); got.State != graft.ConfigMapUnknown || got.Cause == "" {
		t.Errorf("manifests that are a part: %+v, want Unknown with a cause", got)
	}
}
