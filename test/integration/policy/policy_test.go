// Package policy holds the exported policy to the engine: the same pods go
// through the engine and through an API server that has the policy and no
// webhook, and must come out the same.
package policy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	evanphx "github.com/evanphx/json-patch/v5"
	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/policy"
)

// bench is an API server without a webhook.
type bench struct {
	client     client.Client
	namespaces map[string]identity.Namespace
}

func start(t *testing.T) *bench {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal("KUBEBUILDER_ASSETS names no kube-apiserver: run make test-integration, which finds or builds one")
	}
	log.SetLogger(logr.Discard())
	// The default of 20 s is not enough where other tests share two cores.
	env := &envtest.Environment{ControlPlaneStartTimeout: 2 * time.Minute}
	restConfig, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	restConfig.QPS, restConfig.Burst = 500, 500
	c, err := client.New(restConfig, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{client: c, namespaces: map[string]identity.Namespace{}}
	b.makeNamespaces(t)
	return b
}

// makeNamespaces makes one of each kind that the rules tell apart.
func (b *bench) makeNamespaces(t *testing.T) {
	t.Helper()
	on := map[string]string{api.LabelInject: api.Enabled}
	for name, meta := range map[string]struct{ labels, annotations map[string]string }{
		"shop":        {on, nil},
		"silent":      {nil, nil},
		"off":         {map[string]string{api.LabelInject: api.Disabled}, nil},
		"misspelled":  {map[string]string{api.LabelInject: "true"}, nil},
		"billing-web": {map[string]string{api.LabelInject: api.Enabled, api.LabelSystem: "billing", api.LabelEnvironment: "prod"}, nil},
		"wide":        {on, map[string]string{api.AnnotationAllowedParameterPrefixes: "/shared/, /common/base/"}},
		"too-wide":    {on, map[string]string{api.AnnotationAllowedParameterPrefixes: "/shared/,/pop"}},
		"testing":     {on, map[string]string{api.AnnotationAllowedEnvironments: "qa, prod", api.AnnotationAllowedParameterPrefixes: "/billing/web/prod/, /shared/"}},
		"unlisted":    {on, map[string]string{api.AnnotationAllowedEnvironments: "qa,,prod"}},
		"audited":     {on, map[string]string{api.AnnotationMode: api.ModeAudit}},
		"mistaken":    {on, map[string]string{api.AnnotationMode: "adit"}},
	} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: meta.labels, Annotations: meta.annotations}}
		if err := b.client.Create(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
		b.namespaces[name] = identity.Namespace{Name: name, Labels: ns.Labels, Annotations: ns.Annotations}
	}
}

// install applies the policies, and waits until the API server goes by them.
func (b *bench) install(t *testing.T, c *config.Configuration) {
	t.Helper()
	options := policy.Options{Name: "envgraft", Engine: c.Engine(), ExcludedNamespaces: []string{"default"}}
	for _, object := range options.Objects() {
		if err := b.client.Create(t.Context(), object.(client.Object)); err != nil {
			t.Fatal(err)
		}
	}
	// The test's own context is over when it cleans up.
	ctx := context.Background()
	// One binding is of Namespaces that opted in, the other of pods that did.
	optsIn := func(p *corev1.Pod) { p.Labels[api.LabelInject] = api.Enabled }
	invalid := func(p *corev1.Pod) { p.Annotations[api.AnnotationSecrets] = "no" }
	grafted := func() (yes [2]bool, saw string) {
		byNamespace, err := b.create(ctx, "shop", app(nil))
		byPod, err2 := b.create(ctx, "silent", app(optsIn))
		for i, pod := range []*corev1.Pod{byNamespace, byPod} {
			yes[i] = pod.Annotations[api.AnnotationInjected] != ""
		}
		return yes, fmt.Sprint(byNamespace.Annotations, err, byPod.Annotations, err2)
	}
	refused := func() (yes [2]bool, saw string) {
		_, err := b.create(ctx, "shop", app(invalid))
		_, err2 := b.create(ctx, "silent", app(func(p *corev1.Pod) { optsIn(p); invalid(p) }))
		return [2]bool{err != nil, err2 != nil}, fmt.Sprint(err, err2)
	}
	both, neither := [2]bool{true, true}, [2]bool{}
	t.Cleanup(func() {
		for _, object := range options.Objects() {
			if err := b.client.Delete(ctx, object.(client.Object)); err != nil {
				t.Error(err)
			}
		}
		eventually(t, "the API server to forget the policies", func() (bool, string) {
			yes, saw := grafted()
			still, also := refused()
			return yes == neither && still == neither, saw + also
		})
	})
	eventually(t, "the API server to graft by the policy", func() (bool, string) {
		yes, saw := grafted()
		return yes == both, saw
	})
	eventually(t, "the API server to refuse by the policy", func() (bool, string) {
		yes, saw := refused()
		return yes == both, saw
	})
}

func eventually(t *testing.T, what string, ask func() (bool, string)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(context.Background(), 50*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		yes, saw := ask()
		last = saw
		return yes, nil
	})
	if err != nil {
		t.Fatalf("waited 30 s for %s; last seen: %s", what, last)
	}
}

// create asks for a dry run: what comes back is what would be stored.
func (b *bench) create(ctx context.Context, namespace string, pod *corev1.Pod) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	pod.Namespace = namespace
	return pod, b.client.Create(ctx, pod, client.DryRunAll)
}

// app is the pod of an app that shadows nothing and asks for nothing.
func app(change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "app-", Labels: map[string]string{api.LabelName: "web"}, Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "i"}}},
	}
	if change != nil {
		change(pod)
	}
	return pod
}

// outcome is all of a pod that envgraft may touch, or that it is refused.
type outcome struct {
	Denied              bool
	Labels, Annotations map[string]string
	Containers          []container
}

type container struct {
	Name    string
	EnvFrom []corev1.EnvFromSource
	Env     []corev1.EnvVar
}

func outcomeOf(pod *corev1.Pod) outcome {
	out := outcome{Labels: pod.Labels, Annotations: pod.Annotations}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		out.Containers = append(out.Containers, container{c.Name, c.EnvFrom, c.Env})
	}
	return out
}

// byEngine is what the webhook would do where it knows no keys.
func byEngine(t *testing.T, engine *graft.Engine, ns identity.Namespace, pod *corev1.Pod) (outcome, string) {
	t.Helper()
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	result := engine.Inspect(ns, raw).Graft(graft.Facts{
		Parameter: graft.Parameter{State: graft.ParameterUnchecked}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapUnknown},
	})
	if result.Report.Status == graft.StatusDenied {
		return outcome{Denied: true}, result.Report.Message
	}
	wire, err := json.Marshal(result.Operations)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := evanphx.DecodePatch(wire)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply(raw)
	if err != nil {
		t.Fatal(err)
	}
	after := &corev1.Pod{}
	if err := json.Unmarshal(patched, after); err != nil {
		t.Fatal(err)
	}
	return outcomeOf(after), string(result.Report.Reason)
}

func (b *bench) byPolicy(t *testing.T, namespace string, pod *corev1.Pod) (outcome, string) {
	t.Helper()
	after, err := b.create(t.Context(), namespace, pod)
	switch {
	case err == nil:
		return outcomeOf(after), ""
	case apierrors.IsInvalid(err) && strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'envgraft'") &&
		!strings.Contains(err.Error(), "resulted in error"):
		return outcome{Denied: true}, err.Error()
	}
	t.Fatalf("the API server answers neither yes nor no: %v", err)
	return outcome{}, ""
}

func (b *bench) compare(t *testing.T, engine *graft.Engine, namespace string, pod *corev1.Pod) outcome {
	t.Helper()
	want, why := byEngine(t, engine, b.namespaces[namespace], pod)
	got, said := b.byPolicy(t, namespace, pod)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("namespace %s, pod %+v\nengine (%s) and policy (%s) differ: -engine, +policy:\n%s", namespace, pod, why, said, diff)
	}
	return want
}

// TestLikeEngine compares the two on pods made of few values, so that what
// matters happens often, under the default configuration and one that differs
// in all that counts.
func TestLikeEngine(t *testing.T) {
	b := start(t)
	other := config.Default()
	other.Environment, other.Reload.Enabled = "qa", false
	other.SkipContainers = []string{"mesh"}
	other.Names = config.Names{Parameter: "/x/{system}/{environment}/{app}", ConfigMap: "c-{app}", Secret: "{app}.s", ExternalSecret: "{system}-{app}"}
	setOpen(other)
	standard := config.Default()
	for name, c := range map[string]*config.Configuration{"Defaults": standard, "Open": other} {
		t.Run(name, func(t *testing.T) {
			if err := c.Validate(config.ModeLocal); err != nil {
				t.Fatal(err)
			}
			b.install(t, c)
			engine := graft.New(c.Engine())
			if name == "Defaults" {
				b.testTable(t, engine)
				b.testOutage(t)
			}
			b.testProperty(t, engine)
		})
	}
}

func setOpen(c *config.Configuration) { c.Tenancy.Mode = identity.TenancyOpen }

// testTable holds single rules, and that they are reached at all.
func (b *bench) testTable(t *testing.T, engine *graft.Engine) {
	t.Helper()
	annotated := func(key, value string) *corev1.Pod {
		return app(func(p *corev1.Pod) { p.Annotations[key] = value })
	}
	labelled := func(key, value string) *corev1.Pod {
		return app(func(p *corev1.Pod) { p.Labels[key] = value })
	}
	for name, tc := range map[string]struct {
		reason    string
		namespace string
		pod       *corev1.Pod
		denied    bool
	}{
		"Plain":             {"both references, in their order", "shop", app(nil), false},
		"NotOptedIn":        {"nobody asked", "silent", app(nil), false},
		"PodOptsIn":         {"the pod's label is enough", "silent", labelled(api.LabelInject, api.Enabled), false},
		"PodOptsOut":        {"the nearest label wins", "shop", labelled(api.LabelInject, api.Disabled), false},
		"Misspelled":        {"inject=true must not be without effect", "misspelled", app(nil), true},
		"ForeignSystem":     {"a label must not reach another team's parameter", "shop", labelled(api.LabelSystem, "billing"), true},
		"OwnSystem":         {"a pod may repeat its system", "billing-web", labelled(api.LabelSystem, "billing"), false},
		"ForeignParameter":  {"nor must an annotation", "shop", annotated(api.AnnotationParameter, "/billing/web/prod/app"), true},
		"Lookalike":         {"a prefix ends where a level ends", "shop", annotated(api.AnnotationParameter, "/shopping/web/stage/app"), true},
		"SharedParameter":   {"the Namespace widened its reach", "wide", annotated(api.AnnotationParameter, "/common/base/x"), false},
		"InvalidPrefixes":   {"a prefix that is none opens nothing", "too-wide", annotated(api.AnnotationParameter, "/shared/x"), true},
		"SystemOfNamespace": {"by its label, not its name", "billing-web", annotated(api.AnnotationParameter, "/billing-web/x/y"), true},
		"ForeignStore":      {"a cluster's store speaks with the cluster's credentials", "shop", annotated(api.AnnotationSecretStore, "root"), true},
		"OwnStore":          {"a store of the namespace", "shop", annotated(api.AnnotationSecretStore, "SecretStore/root"), false},
		"OtherEnvironment":  {"stage must not reach prod", "shop", labelled(api.LabelEnvironment, "prod"), true},
		"ListedEnvironment": {"the Namespace lists it", "testing", labelled(api.LabelEnvironment, "prod"), false},
		"EnvironmentInPath": {"nor by an annotation", "shop", annotated(api.AnnotationParameter, "/shop/web/prod/app"), true},
		"Audited":           {"in audit mode nobody is held up", "audited", annotated(api.AnnotationSecrets, "no"), false},
		"Forged": {"marks of another admission are replaced", "shop", app(func(p *corev1.Pod) {
			p.Annotations[api.AnnotationInjected] = "Secret/other"
			p.Annotations[api.AnnotationAwaitsSecret] = "true"
		}), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.compare(t, engine, tc.namespace, tc.pod); got.Denied != tc.denied {
				t.Errorf("%s: denied is %t", tc.reason, got.Denied)
			}
		})
	}
}

// testOutage has a webhook that nobody answers, with failurePolicy Ignore: pods
// must get from the policy what they would have got from it.
func (b *bench) testOutage(t *testing.T) {
	t.Helper()
	webhook := &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "away"}}
	webhook.Webhooks = []admissionv1.MutatingWebhook{{
		Name:                    "pods.envgraft.dev",
		ClientConfig:            admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1" + api.PodsWebhook)},
		Rules:                   []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create}, Rule: podRule()}},
		FailurePolicy:           new(admissionv1.Fail),
		SideEffects:             new(admissionv1.SideEffectClassNone),
		AdmissionReviewVersions: []string{"v1"},
		TimeoutSeconds:          new(int32(1)),
	}}
	if err := b.client.Create(t.Context(), webhook); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.client.Delete(context.Background(), webhook); err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "the API server to call the webhook that does not answer", func() (bool, string) {
		_, err := b.create(t.Context(), "shop", app(nil))
		return err != nil && strings.Contains(err.Error(), "failed calling webhook"), fmt.Sprint(err)
	})
	webhook.Webhooks[0].FailurePolicy = new(admissionv1.Ignore)
	if err := b.client.Update(t.Context(), webhook); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a pod to be grafted by the policy alone", func() (bool, string) {
		pod, err := b.create(t.Context(), "shop", app(nil))
		return err == nil && pod.Annotations[api.AnnotationInjected] != "" && len(pod.Spec.Containers[0].EnvFrom) == 2, fmt.Sprint(pod.Annotations, err)
	})
}

func podRule() admissionv1.Rule {
	return admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}}
}

// testProperty compares pods that chance makes, and counts what came of them.
func (b *bench) testProperty(t *testing.T, engine *graft.Engine) {
	t.Helper()
	g := generator{rand.New(rand.NewPCG(7, 9))}
	namespaces := slices.Sorted(maps.Keys(b.namespaces))
	var injected, denied, alone int
	for range 500 {
		namespace := g.oneOf(namespaces...)
		switch out := b.compare(t, engine, namespace, g.pod()); {
		case out.Denied:
			denied++
		case out.Annotations[api.AnnotationInjected] != "":
			injected++
		default:
			alone++
		}
	}
	t.Logf("%d injected, %d denied, %d left alone", injected, denied, alone)
	if injected < 40 || denied < 50 || alone < 20 {
		t.Errorf("%d injected, %d denied, %d left alone: the property is not tested", injected, denied, alone)
	}
}
