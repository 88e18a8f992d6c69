package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
)

func optedIn() map[string]string { return map[string]string{api.LabelInject: api.Enabled} }

// app makes the parameter and the ConfigMap of app "myapp" in a namespace.
func (b *bench) app(t *testing.T, namespace string) {
	t.Helper()
	b.ssm.Put("/"+namespace+"/myapp/stage/app", canary.Object("app", "DATABASE_URL", "API_KEY", "DEBUG"))
	b.create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "myapp-config"},
		Data:       map[string]string{"LOG_LEVEL": "info", "DEBUG": "maybe"},
	})
}

func (b *bench) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := b.client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// pod is one of app "myapp" with two literals that shadow keys.
func pod(namespace string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "myapp-", Labels: map[string]string{api.LabelName: "myapp"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "myapp",
			Env: []corev1.EnvVar{{Name: "DEBUG", Value: "true"}, {Name: "LOG_LEVEL", Value: "debug"}, {Name: "OWN", Value: "1"}},
		}}},
	}
	if change != nil {
		change(p)
	}
	return p
}

// sources says for each container where envFrom and env take from.
func sources(p *corev1.Pod) []string {
	var out []string
	for _, c := range append(append([]corev1.Container{}, p.Spec.InitContainers...), p.Spec.Containers...) {
		for _, from := range c.EnvFrom {
			if from.SecretRef != nil {
				out = append(out, c.Name+" Secret/"+from.SecretRef.Name)
			}
			if from.ConfigMapRef != nil {
				out = append(out, c.Name+" ConfigMap/"+from.ConfigMapRef.Name)
			}
		}
		for _, e := range c.Env {
			switch {
			case e.ValueFrom == nil:
				out = append(out, c.Name+" "+e.Name+"="+e.Value)
			case e.ValueFrom.SecretKeyRef != nil:
				out = append(out, c.Name+" "+e.Name+" Secret/"+e.ValueFrom.SecretKeyRef.Name)
			case e.ValueFrom.ConfigMapKeyRef != nil:
				out = append(out, c.Name+" "+e.Name+" ConfigMap/"+e.ValueFrom.ConfigMapKeyRef.Name)
			}
		}
	}
	return out
}

func TestPods(t *testing.T) {
	b := start(t)
	injected := []string{
		"app ConfigMap/myapp-config", "app Secret/myapp-secrets",
		"app DEBUG Secret/myapp-secrets", "app LOG_LEVEL=debug", "app LOG_LEVEL ConfigMap/myapp-config", "app OWN=1",
	}
	untouched := []string{"app DEBUG=true", "app LOG_LEVEL=debug", "app OWN=1"}
	label := func(key, value string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Labels[key] = value }
	}
	cases := map[string]struct {
		reason    string
		namespace map[string]string
		change    func(*corev1.Pod)
		want      []string
	}{
		"ByNamespace":       {"A label on the namespace is enough.", optedIn(), nil, injected},
		"ByPod":             {"So is one on the pod.", nil, label(api.LabelInject, api.Enabled), injected},
		"ByPodInOptedOut":   {"The pod's is nearer.", map[string]string{api.LabelInject: api.Disabled}, label(api.LabelInject, api.Enabled), injected},
		"OptedOutByPod":     {"The pod's is nearer.", optedIn(), label(api.LabelInject, api.Disabled), untouched},
		"OptedOutNamespace": {"Disabled is not enabled.", map[string]string{api.LabelInject: api.Disabled}, nil, untouched},
		"NobodyAsked":       {"Without a label nothing happens.", nil, nil, untouched},
		"NobodysApp":        {"A pod that names no app starts as it is.", optedIn(), func(p *corev1.Pod) { p.Labels = nil }, untouched},
		"OfAJob": {"A Job's pods are pods.", optedIn(), func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: "migrate", UID: "1"}}
			p.Spec.RestartPolicy = corev1.RestartPolicyNever
		}, injected},
		"InitAndSidecar": {"Init containers and native sidecars are containers.", optedIn(), func(p *corev1.Pod) {
			always := corev1.ContainerRestartPolicyAlways
			p.Spec.InitContainers = []corev1.Container{{Name: "migrate", Image: "m"}, {Name: "logs", Image: "l", RestartPolicy: &always}}
		}, append([]string{
			"migrate ConfigMap/myapp-config", "migrate Secret/myapp-secrets", "logs ConfigMap/myapp-config", "logs Secret/myapp-secrets",
		}, injected...)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ns := b.namespace(t, tc.namespace)
			b.app(t, ns)
			p := pod(ns, tc.change)
			b.create(t, p)
			if diff := cmp.Diff(tc.want, sources(p)); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestKubectl holds what a person sees and types.
func TestKubectl(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, nil)
	b.app(t, ns)
	b.mustRun(t, "", "label", "namespace", ns, api.LabelInject+"="+api.Enabled)

	// The first pod after the label must not be missed, however late our
	// informer is.
	p := pod(ns, nil)
	b.create(t, p)
	if len(p.Spec.Containers[0].EnvFrom) != 2 {
		t.Errorf("the first pod after kubectl label has envFrom %v", p.Spec.Containers[0].EnvFrom)
	}

	manifest := func(metadata string) string {
		return fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"one","namespace":%q,%s},"spec":{"containers":[{"name":"app","image":"i"}]}}`, ns, metadata)
	}
	t.Run("DryRun", func(t *testing.T) {
		calls := b.ssm.Calls("PutParameter")
		out, _ := b.mustRun(t, manifest(`"labels":{"app.kubernetes.io/name":"myapp"}`), "apply", "--dry-run=server", "-o", "yaml", "-f", "-")
		if !strings.Contains(out, "myapp-secrets") {
			t.Errorf("a dry run shows no Secret:\n%s", out)
		}
		if _, _, err := b.run(t, "", "get", "pod", "one", "-n", ns); err == nil {
			t.Error("a dry run made the pod")
		}
		if b.ssm.Calls("PutParameter") != calls {
			t.Error("a dry run wrote a parameter")
		}
	})
	t.Run("Warning", func(t *testing.T) {
		_, stderr := b.mustRun(t, manifest(`"labels":{"app.kubernetes.io/name":"other"}`), "apply", "--dry-run=server", "-f", "-")
		if want := `Warning: envgraft: its SSM parameter does not exist, so the pod waits: ` +
			`aws ssm put-parameter --type SecureString --name /` + ns + `/other/stage/app `; !strings.Contains(stderr, want) {
			t.Errorf("kubectl prints no %q:\n%s", want, stderr)
		}
	})
	for name, tc := range map[string]struct{ metadata, want string }{
		"Annotation": {
			`"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{"envgraft.dev/secrets":"off"}`,
			`denied the request: annotation envgraft.dev/secrets is "off": use "enabled" or "disabled"`,
		},
		"Typo": {
			`"labels":{"app.kubernetes.io/name":"myapp","envgraft.dev/inject":"true"}`,
			`denied the request: label envgraft.dev/inject of the pod is "true": use "enabled" or "disabled"`,
		},
		"NoApp": {
			`"labels":{"envgraft.dev/inject":"enabled"}`,
			`denied the request: no app label: set label app.kubernetes.io/name or envgraft.dev/app on the pod template`,
		},
		"Tenancy": {
			`"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{"envgraft.dev/parameter":"/billing/db/prod/app"}`,
			`annotation envgraft.dev/parameter is "/billing/db/prod/app", but pods of namespace "` + ns + `" reach only parameters under "/` + ns + `/"`,
		},
	} {
		t.Run("Denied"+name, func(t *testing.T) {
			_, stderr, err := b.run(t, manifest(tc.metadata), "apply", "-f", "-")
			if err == nil || !strings.Contains(stderr, tc.want) {
				t.Errorf("kubectl: %v, without %q:\n%s", err, tc.want, stderr)
			}
		})
	}
}

// TestParameterStates goes through SSM's answers and faults.
func TestParameterStates(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	secret := func(t *testing.T, app string) (*corev1.SecretEnvSource, error) {
		t.Helper()
		p := pod(ns, func(p *corev1.Pod) { p.Labels[api.LabelName] = app })
		if err := b.client.Create(t.Context(), p); err != nil {
			return nil, err
		}
		for _, from := range p.Spec.Containers[0].EnvFrom {
			if from.SecretRef != nil {
				return from.SecretRef, nil
			}
		}
		t.Fatal("the pod has no reference to a Secret")
		return nil, nil
	}
	for name, tc := range map[string]struct {
		value    string
		optional bool
		denied   string
	}{
		"found":   {value: `{"A":"1"}`},
		"empty":   {value: `{}`, optional: true},
		"missing": {},
		"array":   {value: `["s3cret"]`, denied: "is not a JSON object"},
		"broken":  {value: `s3cret`, denied: "is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.value != "" {
				b.ssm.Put("/"+ns+"/"+name+"/stage/app", tc.value)
			}
			ref, err := secret(t, name)
			if tc.denied != "" {
				if err == nil || !strings.Contains(err.Error(), tc.denied) {
					t.Fatalf("got %v, want a denial that says %q", err, tc.denied)
				}
				if strings.Contains(err.Error()+b.log.String(), "s3cret") {
					t.Error("the parameter's value was told")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := ref.Optional != nil && *ref.Optional; got != tc.optional {
				t.Errorf("optional is %t, want %t", got, tc.optional)
			}
		})
	}
}

// TestLargePod sends a pod of 1 MiB.
func TestLargePod(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	b.app(t, ns)
	p := pod(ns, func(p *corev1.Pod) { p.Spec.Containers[0].Args = []string{strings.Repeat("x", 1<<20)} })
	b.create(t, p)
	if len(p.Spec.Containers[0].EnvFrom) != 2 || len(p.Spec.Containers[0].Args[0]) != 1<<20 {
		t.Errorf("envFrom %v, %d bytes of arguments", p.Spec.Containers[0].EnvFrom, len(p.Spec.Containers[0].Args[0]))
	}
}

// TestReviews sends what no API server would, and older versions.
func TestReviews(t *testing.T) {
	b := start(t)
	review := func(version, resource, object string) string {
		return fmt.Sprintf(`{"apiVersion":"admission.k8s.io/%s","kind":"AdmissionReview","request":{"uid":"u","kind":{"version":"v1","kind":"Pod"},
			"resource":{"group":"","version":"v1","resource":%q},"namespace":"default","operation":"CREATE","object":%s}}`, version, resource, object)
	}
	optedInPod := `{"metadata":{"labels":{"envgraft.dev/inject":"enabled","app.kubernetes.io/name":"x"}},"spec":{"containers":[{"name":"app"}]}}`
	for name, tc := range map[string]struct {
		body, contentType string
		allowed, patched  bool
		code              int32
		apiVersion        string
		// status is the answer's own where it is no review.
		status int
	}{
		"V1":          {body: review("v1", "pods", optedInPod), allowed: true, patched: true, code: 200, apiVersion: "admission.k8s.io/v1"},
		"V1beta1":     {body: review("v1beta1", "pods", optedInPod), allowed: true, patched: true, code: 200, apiVersion: "admission.k8s.io/v1beta1"},
		"OtherKind":   {body: review("v1", "services", `{}`), code: 400, apiVersion: "admission.k8s.io/v1"},
		"NoObject":    {body: review("v1", "pods", `null`), code: 403, apiVersion: "admission.k8s.io/v1"},
		"NotJSON":     {body: `{"apiVersion":`, status: 400},
		"Empty":       {body: ``, status: 400},
		"NoReview":    {body: `{"apiVersion":"v1","kind":"Pod"}`, status: 400},
		"ContentType": {body: review("v1", "pods", optedInPod), contentType: "text/plain", status: 415},
		"TooLarge":    {body: review("v1", "pods", `"`+strings.Repeat("x", 7<<20)+`"`), status: 413},
	} {
		t.Run(name, func(t *testing.T) {
			contentType := tc.contentType
			if contentType == "" {
				contentType = "application/json"
			}
			response, err := b.http.Post(b.webhooks+api.PodsWebhook, contentType, bytes.NewReader([]byte(tc.body)))
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(response.Body)
			want := max(tc.status, http.StatusOK)
			if err = errors.Join(err, response.Body.Close()); err != nil || response.StatusCode != want {
				t.Fatalf("status %d, %v: %s", response.StatusCode, err, data)
			}
			if want != http.StatusOK {
				return
			}
			var answer admissionv1.AdmissionReview
			if err := json.Unmarshal(data, &answer); err != nil || answer.Response == nil {
				t.Fatalf("%v: %s", err, data)
			}
			got := answer.Response
			if got.Allowed != tc.allowed || (len(got.Patch) > 0) != tc.patched || got.Result.Code != tc.code {
				t.Errorf("allowed %t, code %d, patch %s", got.Allowed, got.Result.Code, got.Patch)
			}
			if tc.apiVersion != "" && answer.APIVersion != tc.apiVersion {
				t.Errorf("answered in %q, want %q", answer.APIVersion, tc.apiVersion)
			}
		})
	}
}
