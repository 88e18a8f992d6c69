package migrate

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
)

// TestUnknownKeys proves for all possible keys, or not at all.
func TestUnknownKeys(t *testing.T) {
	for _, c := range []struct {
		reason, containers string
		// known are the objects whose keys were read; they have none.
		known  []string
		proven bool
	}{
		{"the order that envgraft writes", "[{name: a, envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets}}]}]", nil, true},
		{"the order flips, and both may have the same key", "[{name: a, envFrom: [{secretRef: {name: x-secrets}}, {configMapRef: {name: x-config, optional: true}}]}]", nil, false},
		{
			"the order flips, but one is known to be empty", "[{name: a, envFrom: [{secretRef: {name: x-secrets}}, {configMapRef: {name: x-config, optional: true}}]}]",
			[]string{"ConfigMap/x-config"},
			true,
		},
		{
			"a foreign object with a prefix may have a key of the same name",
			"[{name: a, envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets}}, {prefix: P_, configMapRef: {name: other}}]}]", nil, false,
		},
		{
			"a ConfigMap that may exist would be added", "[{name: a, envFrom: [{secretRef: {name: x-secrets}}]}]", nil, false,
		},
		{"a ConfigMap that does not exist", "[{name: a, envFrom: [{secretRef: {name: x-secrets}}]}]", []string{"ConfigMap/x-config"}, true},
		{
			"a literal wins whatever the keys are",
			"[{name: a, env: [{name: A, value: '1'}], envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets}}]}]", nil, true,
		},
		{
			"one container waits for the Secret, one does not", `
- {name: a, envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets}}]}
- {name: b, envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets, optional: true}}]}`, nil, false,
		},
		{
			"no container waits for the Secret", `
- {name: a, envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets, optional: true}}]}
- {name: b, envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets, optional: true}}]}`, nil, true,
		},
	} {
		before := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.LabelName: "x"}}}
		if err := yaml.UnmarshalStrict([]byte(c.containers), &before.Spec.Containers); err != nil {
			t.Fatal(err)
		}
		p, _, err := plan(t, before, func(kind, name string) ([]string, bool) {
			if slices.Contains(c.known, kind+"/"+name) {
				return nil, true
			}
			return nil, false
		})
		if err != nil {
			t.Fatalf("%s: %v", c.reason, err)
		}
		if p.Proven() != c.proven {
			t.Errorf("%s: proven is %t: %+v, by %v", c.reason, p.Proven(), p.Proof, p.Annotations)
		}
	}
}

// TestSkippedByPattern has an injector's container beside the app's, named by a
// pattern: no annotation is needed to leave it out.
func TestSkippedByPattern(t *testing.T) {
	before := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.LabelName: "x"}}}
	if err := yaml.UnmarshalStrict([]byte(`
- {name: a, envFrom: [{configMapRef: {name: x-config, optional: true}}, {secretRef: {name: x-secrets}}]}
- {name: datadog-lib-java-init}`), &before.Spec.Containers); err != nil {
		t.Fatal(err)
	}
	p, _, err := plan(t, before, func(string, string) ([]string, bool) { return nil, false })
	if err != nil {
		t.Fatal(err)
	}
	if names, ok := p.Annotations[api.AnnotationContainers]; ok {
		t.Errorf("the annotation lists %q, which envgraft chooses by itself", names)
	}
}
