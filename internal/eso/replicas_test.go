package eso

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/webhook"
)

// cluster is what all replicas see: a store, and an ExternalSecret once the leader
// has made it.
type cluster struct {
	cache.Cache

	mu             sync.Mutex
	externalSecret *externalsecret.ExternalSecret
	audit          bool
}

func (c *cluster) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch into := into.(type) {
	case *clusterSecretStore:
		into.store = store{ObjectMeta: metav1.ObjectMeta{Name: key.Name, ResourceVersion: "1"}}
		into.Spec.Provider = facts.StoreProvider{AWS: &facts.AWSProvider{Service: "ParameterStore"}}
		return nil
	case *externalsecret.ExternalSecret:
		if c.externalSecret != nil && c.externalSecret.Name == key.Name {
			*into = *c.externalSecret
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (c *cluster) Namespace(_ context.Context, name string) (identity.Namespace, error) {
	ns := identity.Namespace{Name: name, Labels: map[string]string{api.LabelInject: api.Enabled}}
	if c.audit {
		ns.Annotations = map[string]string{api.AnnotationMode: api.ModeAudit}
	}
	return ns, nil
}

func (c *cluster) Current(ctx context.Context, name string) (identity.Namespace, error) {
	return c.Namespace(ctx, name)
}

func (*cluster) Prefetch(context.Context, string, string) {}

func (*cluster) ConfigMap(context.Context, string, string) graft.ConfigMap {
	return graft.ConfigMap{State: graft.ConfigMapFound, Keys: []string{"LEVEL"}}
}

// answering is a source that says the same of every parameter.
type answering struct {
	graft.Parameter

	mu    sync.Mutex
	calls int
}

// replica is one of two.
func replica(c *cluster, engine *graft.Engine, stores StoreReader, parameters webhook.ParameterGetter, follows bool) (*ExternalSecrets, *webhook.Pods) {
	x := &ExternalSecrets{
		log: logr.Discard(), stores: stores, settings: config.Default().ExternalSecretFor,
		permits: newPermits(Tenancy{Namespaces: c, Decider: engine}),
	}
	x.current.Store(&Installation{Version: "v1", stores: map[string]bool{graft.KindClusterSecretStore: true}, cache: c})
	x.Follow(func() bool { return follows })
	return x, &webhook.Pods{
		Engine: engine, Namespaces: c, Parameters: parameters, ConfigMaps: c, ExternalSecrets: x,
		Metrics: metrics.New(prometheus.NewRegistry()), Log: logr.Discard(), FactsTimeout: 300 * time.Millisecond,
	}
}

func (a *answering) ask(facts.Question) facts.Parameter {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	return facts.Parameter{Parameter: a.Parameter, Fetched: time.Now()}
}

// getter adapts a function.
type getter func(facts.Question) facts.Parameter

func (g getter) Parameter(_ context.Context, q facts.Question) facts.Parameter { return g(q) }

// podOfCart is a review of a Deployment's pod with a literal that may shadow a key.
func podOfCart() admission.Request {
	const raw = `{"metadata":{"generateName":"cart-","labels":{"app.kubernetes.io/name":"cart"},` +
		`"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"cart-1","uid":"1","controller":true}]},` +
		`"spec":{"containers":[{"name":"app","env":[{"name":"KEY","value":"x"}]}]}}`
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "1", Namespace: "shop", Operation: admissionv1.Create,
		Resource: metav1.GroupVersionResource(corev1.SchemeGroupVersion.WithResource("pods")),
	}}
	request.Object.Raw = []byte(raw)
	return request
}

// answerOf is all that an API server is told.
func answerOf(t *testing.T, r admission.Response) string {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"allowed": r.Allowed, "result": r.Result, "warnings": r.Warnings, "patch": r.Patches, "raw": string(r.Patch)})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// states are all that a source says of a parameter.
func states() []graft.Parameter {
	var all []graft.Parameter
	for _, state := range []graft.ParameterState{
		graft.ParameterFound, graft.ParameterEmpty, graft.ParameterNotFound, graft.ParameterNotObject, graft.ParameterInvalidJSON,
		graft.ParameterAccessDenied, graft.ParameterThrottled, graft.ParameterUnreachable, graft.ParameterUnchecked,
	} {
		p := graft.Parameter{State: state, Cause: "why of " + string(state)}
		switch state {
		case graft.ParameterFound:
			p = graft.Parameter{State: state, Keys: []string{"KEY"}, Version: 3}
		case graft.ParameterEmpty:
			p = graft.Parameter{State: state, Version: 3}
		case graft.ParameterNotObject, graft.ParameterInvalidJSON:
			p.Version = 3
		default:
		}
		all = append(all, p)
	}
	return all
}

// settings are all values of what decides about a pod.
func settings() []graft.Config {
	var all []graft.Config
	for _, missing := range []graft.MissingPolicy{graft.MissingAuto, graft.MissingWait, graft.MissingDeny} {
		for _, invalid := range []graft.InvalidPolicy{graft.InvalidDeny, graft.InvalidWarn} {
			for _, unknown := range []graft.UnknownPolicy{graft.UnknownAdmit, graft.UnknownDeny} {
				c := config.Default().Engine()
				c.Rules.Environment = "stage"
				c.MissingParameter, c.InvalidParameter, c.UnknownParameter = missing, invalid, unknown
				all = append(all, c)
			}
		}
	}
	return all
}

// reaches are where keys come from; only those of SSM are recorded.
func storeReaders() map[string]StoreReader {
	return map[string]StoreReader{"ssm": facts.Stores{}, "secret, directory or none": facts.AnyStore{}}
}

// recording writes what the leader finds out, some time after the first pod.
func recording(x *ExternalSecrets, c *cluster, p graft.Parameter, after time.Duration) {
	time.Sleep(after)
	wants := externalsecret.Wants{Parameter: "/shop/cart/stage/app", Secret: "cart-secrets", Store: graft.Store{Kind: graft.KindClusterSecretStore, Name: "aws-ssm"}}
	e := &externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart-external", CreationTimestamp: metav1.Now()}, App: "cart", Managed: true}
	e.Spec.SecretStoreRef = externalsecret.StoreRef{Kind: graft.KindClusterSecretStore, Name: "aws-ssm"}
	e.Spec.Target = externalsecret.Target{Name: "cart-secrets", Template: externalsecret.TemplateGuard}
	e.Spec.DataFrom = []externalsecret.DataFrom{{Extract: &externalsecret.Extract{Key: wants.Parameter, Options: externalsecret.OptionsDefault}}}
	e.Record = NewRecord(wants, facts.Parameter{Parameter: p, Fetched: time.Now()}, facts.Question{Recorded: x.stores.Recorded()})
	c.mu.Lock()
	c.externalSecret = e
	c.mu.Unlock()
	x.changed(e)
}

// TestReplicasAnswerAlike asks the leader and a follower the same reviews, over all
// settings and all states of a parameter, before and after the leader has recorded
// it: controllers ask any replica, so the mildest one would decide.
func TestReplicasAnswerAlike(t *testing.T) {
	for source, stores := range storeReaders() {
		for _, c := range settings() {
			for _, p := range states() {
				name := fmt.Sprintf("%s/%s-%s-%s/%s", source, c.MissingParameter, c.InvalidParameter, c.UnknownParameter, p.State)
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { alike(t, stores, c, p) })
				})
			}
		}
	}
}

func alike(t *testing.T, stores StoreReader, c graft.Config, p graft.Parameter) {
	t.Helper()
	world, source := &cluster{}, &answering{Parameter: p}
	_, leader := replica(world, graft.New(c), stores, getter(source.ask), false)
	x, follower := replica(world, graft.New(c), stores, getter(source.ask), true)
	cold := answerOf(t, leader.Handle(t.Context(), podOfCart()))
	if got := answerOf(t, follower.Handle(t.Context(), podOfCart())); got != cold {
		t.Errorf("nothing is recorded: the leader says\n%s\nthe follower\n%s", cold, got)
	}

	go recording(x, world, p, 50*time.Millisecond)
	first := answerOf(t, follower.Handle(t.Context(), podOfCart()))
	synctest.Wait()
	time.Sleep(time.Second)
	if first != cold && !cmp.Equal(first, answerOf(t, leader.Handle(t.Context(), podOfCart()))) {
		t.Errorf("the record comes while it waits: the leader says\n%s\nthe follower\n%s", cold, first)
	}

	warm := answerOf(t, leader.Handle(t.Context(), podOfCart()))
	before := time.Now()
	if got := answerOf(t, follower.Handle(t.Context(), podOfCart())); got != warm {
		t.Errorf("it is recorded: the leader says\n%s\nthe follower\n%s", warm, got)
	}
	if took := time.Since(before); took > 0 && world.externalSecret.Record != nil {
		t.Errorf("the follower waited %s for a record that is there", took)
	}
}

// TestAuditSaysWhatEnforcingDoes asks one replica, leader or not, the same review
// with and without mode audit: the warnings are the same, and where enforcing
// denies, the audit says so.
func TestAuditSaysWhatEnforcingDoes(t *testing.T) {
	for _, follows := range []bool{false, true} {
		for _, c := range settings() {
			for _, p := range states() {
				t.Run(fmt.Sprintf("%t/%s-%s-%s/%s", follows, c.MissingParameter, c.InvalidParameter, c.UnknownParameter, p.State), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var answers []admission.Response
						for _, audit := range []bool{false, true} {
							source := &answering{Parameter: p}
							world := &cluster{audit: audit}
							_, pods := replica(world, graft.New(c), facts.Stores{}, getter(source.ask), follows)
							answers = append(answers, pods.Handle(t.Context(), podOfCart()))
						}
						enforced, audited := answers[0], answers[1]
						want := enforced.Warnings
						if !enforced.Allowed {
							want = append(want, "envgraft: in mode audit; else it would be denied: "+enforced.Result.Message)
						}
						if diff := cmp.Diff(want, audited.Warnings); diff != "" || !audited.Allowed || len(audited.Patches)+len(audited.Patch) > 0 {
							t.Errorf("allowed %t; warnings -enforcing +audit:\n%s", audited.Allowed, diff)
						}
					})
				})
			}
		}
	}
}
