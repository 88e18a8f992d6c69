package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// neighbour adds a webhook of somebody else's, which changes the pods of one
// namespace. It is called in the order of its configuration's name.
func (b *bench) neighbour(t *testing.T, name, namespace string, change func(*corev1.Pod)) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		before, after := &corev1.Pod{}, &corev1.Pod{}
		if json.NewDecoder(r.Body).Decode(review) != nil ||
			json.Unmarshal(review.Request.Object.Raw, before) != nil || json.Unmarshal(review.Request.Object.Raw, after) != nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		change(after)
		from, _ := json.Marshal(before)
		to, _ := json.Marshal(after)
		operations, err := jsonpatch.CreatePatch(from, to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		patch, _ := json.Marshal(operations)
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true, Patch: patch, PatchType: ptr.To(admissionv1.PatchTypeJSONPatch)}
		_ = json.NewEncoder(w).Encode(review)
	}))
	t.Cleanup(server.Close)
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + namespace},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "pods." + name + ".example.com", SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL: new(server.URL), CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			Rules:             podsCreated(),
		}},
	}
	b.create(t, configuration)
	b.remove(t, configuration)
}

func podsCreated() []admissionregistrationv1.RuleWithOperations {
	return []admissionregistrationv1.RuleWithOperations{{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
	}}
}

// remove deletes what the cluster's other tests must not meet.
func (b *bench) remove(t *testing.T, object client.Object) {
	t.Helper()
	t.Cleanup(func() {
		if err := b.client.Delete(context.Background(), object); err != nil {
			t.Error(err)
		}
	})
}

// unlessThere adds a literal as the injectors for AWS and OpenTelemetry do.
func unlessThere(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for i := range p.Spec.Containers {
			c := &p.Spec.Containers[i]
			if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name }) {
				c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: "foreign"})
			}
		}
	}
}

// TestNeighbours has webhooks before and behind ours add literals and a sidecar,
// and wants the tiers to hold.
func TestNeighbours(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	b.app(t, ns)
	// "envgraft" is the name of our configuration.
	b.neighbour(t, "aaa-before", ns, unlessThere("API_KEY"))
	b.neighbour(t, "zzz-behind", ns, func(p *corev1.Pod) {
		unlessThere("DATABASE_URL")(p)
		unlessThere("FOREIGN")(p)
		if !slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == "late" }) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "late", Image: "late", Env: []corev1.EnvVar{{Name: "DEBUG", Value: "late"}}})
		}
	})
	want := []string{
		"app ConfigMap/myapp-config", "app Secret/myapp-secrets", "app DEBUG Secret/myapp-secrets",
		"app LOG_LEVEL=debug", "app LOG_LEVEL ConfigMap/myapp-config", "app OWN=1",
		"app API_KEY Secret/myapp-secrets", "app DATABASE_URL Secret/myapp-secrets", "app FOREIGN=foreign",
		"late DEBUG=late",
	}
	b.eventually(t, ns, nil, want)
	b.explainsNeighbours(t, ns)
}

// explainsNeighbours wants explain and doctor to say of a workload what a dry run of
// its pod gets.
func (b *bench) explainsNeighbours(t *testing.T, ns string) {
	t.Helper()
	p := pod(ns, nil)
	b.create(t, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "myapp"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: p.Labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.Spec},
		},
	})
	var out, problems bytes.Buffer
	if code := cli.Main(t.Context(), []string{"explain", "deploy/myapp", "-n", ns}, cmdutil.Streams{In: strings.NewReader(""), Out: &out, Err: &problems}); code != 0 {
		t.Fatalf("explain ended with %d: %s", code, &problems)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		if strings.Contains(line, "another webhook") {
			got = append(got, strings.Join(strings.Fields(line), " "))
		}
	}
	want := []string{
		"API_KEY parameter Secret/myapp-secrets[API_KEY] Literal (added by another webhook) -",
		"DATABASE_URL parameter Secret/myapp-secrets[DATABASE_URL] Literal (added by another webhook) -",
		`FOREIGN pod Literal (added by another webhook) - "foreign"`,
		"container late (added by another webhook)",
		`DEBUG pod Literal (added by another webhook) - "late"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("explain: -want, +got:\n%s\n%s", diff, &out)
	}
}

// TestDoctorNamesNeighbours has doctor say what another webhook adds to the next pod.
func TestDoctorNamesNeighbours(t *testing.T) {
	s := newShop(t)
	s.neighbour(t, "zzz-behind", s.ns, func(p *corev1.Pod) {
		unlessThere("API_KEY")(p)
		unlessThere("FOREIGN")(p)
	})
	const want = "ok: none refuses the pod, or sets one of its keys; API_KEY, FOREIGN added to container shop by another webhook"
	got := ""
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		findings, _, _ := s.doctor("")
		for _, f := range findings {
			if f.Check == "otherwebhooks" {
				got = f.Status + ": " + f.Message
			}
		}
		return got == want, nil
	})
	if err != nil {
		t.Errorf("%v: got %q, want %q", err, got, want)
	}
}

// eventually creates pods until one is as it must be: API servers read webhook
// configurations and policies by informers, some moments after they were made.
func (b *bench) eventually(t *testing.T, ns string, change func(*corev1.Pod), want []string) {
	t.Helper()
	var got string
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		p := pod(ns, change)
		if err := b.client.Create(ctx, p); err != nil {
			got = err.Error()
			return false, nil //nolint:nilerr // tried again
		}
		got = cmp.Diff(want, sources(p))
		return got == "", nil
	})
	if err != nil {
		t.Errorf("%v: -want, +got:\n%s", err, got)
	}
}

// TestMergedByName has a MutatingAdmissionPolicy set variables that are keys.
// Called again, it merges its literals by name into what we bound.
func TestMergedByName(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	b.app(t, ns)
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "merged-" + ns},
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			MatchConstraints:   &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: podsCreated()[0]}}},
			FailurePolicy:      ptr.To(admissionregistrationv1.Fail),
			ReinvocationPolicy: admissionregistrationv1.IfNeededReinvocationPolicy,
			Mutations: []admissionregistrationv1.Mutation{{
				PatchType: admissionregistrationv1.PatchTypeApplyConfiguration,
				ApplyConfiguration: &admissionregistrationv1.ApplyConfiguration{Expression: `Object{spec: Object.spec{containers: object.spec.containers.map(c, ` +
					`Object.spec.containers{name: c.name, env: [Object.spec.containers.env{name: "CLUSTER", value: "eu"}, ` +
					`Object.spec.containers.env{name: "DEBUG", value: "merged"}, Object.spec.containers.env{name: "LOG_LEVEL", value: "merged"}]})}}`},
			}},
		},
	}
	b.create(t, policy)
	b.remove(t, policy)
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "merged-" + ns},
		Spec: admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: policy.Name, MatchResources: &admissionregistrationv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
		}},
	}
	b.create(t, binding)
	b.remove(t, binding)
	b.eventually(t, ns, func(p *corev1.Pod) { p.Spec.Containers[0].Env = nil }, []string{
		"app ConfigMap/myapp-config", "app Secret/myapp-secrets", "app CLUSTER=eu",
		"app DEBUG=merged", "app DEBUG Secret/myapp-secrets", "app LOG_LEVEL=merged", "app LOG_LEVEL ConfigMap/myapp-config",
	})
}
