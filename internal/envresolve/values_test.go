package envresolve

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func TestExpand(t *testing.T) {
	known := map[string]string{"A": "1", "B": "$(A)", "": "empty"}
	for _, c := range []struct{ reason, text, want string }{
		{"plain text", "text", "text"},
		{"a reference", "x$(A)y", "x1y"},
		{"a value is not expanded again", "$(B)", "$(A)"},
		{"an unknown name stays", "$(C)$(A)", "$(C)1"},
		{"an escaped reference", "$$(A)", "$(A)"},
		{"three dollars", "$$$(A)", "$1"},
		{"a dollar at the end", "a$", "a$"},
		{"a dollar before something else", "$A ${A} $)", "$A ${A} $)"},
		{"a reference without an end", "$(A $(A", "$(A $(A"},
		{"a name up to the first parenthesis", "$(A(B)", "$(A(B)"},
		{"the empty name", "$()", "empty"},
	} {
		got := Expand(c.text, func(name string) (string, bool) { value, ok := known[name]; return value, ok })
		if got != c.want {
			t.Errorf("%s: Expand(%q) is %q, want %q", c.reason, c.text, got, c.want)
		}
	}
	if diff := cmp.Diff([]string{"B", "A", "B"}, slices.Collect(References("$(B)$$(C)$(A)$(B)"))); diff != "" {
		t.Error(diff)
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		reason, container string
		want              map[string]string
		problems          []string
	}{
		{
			"a later envFrom entry wins, env wins over all", `
envFrom: [{configMapRef: {name: c}}, {secretRef: {name: s}}]
env: [{name: B, value: literal}]`,
			map[string]string{"A": "secret", "B": "literal", "C": "config"},
			nil,
		},
		{"a prefix", `envFrom: [{prefix: P_, secretRef: {name: s}}]`, map[string]string{"P_A": "secret", "P_B": "secret$(A)"}, nil},
		{
			"references see envFrom and what stands before, and a literal may be made of its own key", `
envFrom: [{secretRef: {name: s}}]
env: [{name: X, value: "$(A)-$(LATER)-$(B)"}, {name: A, value: "$(A)!"}, {name: LATER, value: "$(A)"}]`,
			map[string]string{"A": "secret!", "B": "secret$(A)", "X": "secret-$(LATER)-secret$(A)", "LATER": "secret!"},
			nil,
		},
		{
			"an optional key that is missing leaves what was there", `
env:
- {name: A, value: below}
- {name: A, valueFrom: {secretKeyRef: {name: s, key: NONE, optional: true}}}
- {name: N, valueFrom: {configMapKeyRef: {name: none, key: NONE, optional: true}}}`,
			map[string]string{"A": "below"},
			nil,
		},
		{
			"what the container would wait for", `
envFrom: [{secretRef: {name: none}}, {configMapRef: {name: none, optional: true}}]
env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: NONE}}}, {name: B, valueFrom: {configMapKeyRef: {name: none, key: K}}}]`,
			map[string]string{},
			[]string{"Secret/none does not exist", `variable A: Secret/s has no key "NONE"`, "variable B: ConfigMap/none does not exist"},
		},
		{
			"other sources", `
env:
- {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}`,
			map[string]string{"IP": "10.0.0.1"},
			[]string{"variable CPU: not here"},
		},
		{"an empty value", `env: [{name: E, value: ""}]`, map[string]string{"E": ""}, nil},
	} {
		var container corev1.Container
		if err := yaml.UnmarshalStrict([]byte(c.container), &container); err != nil {
			t.Fatal(err)
		}
		got, problems := Values(container, World{
			Data: func(kind, name string) (map[string]string, bool) {
				switch kind + "/" + name {
				case "Secret/s":
					return map[string]string{"A": "secret", "B": "secret$(A)"}, true
				case "ConfigMap/c":
					return map[string]string{"A": "config", "C": "config"}, true
				}
				return nil, false
			},
			Other: func(e corev1.EnvVar) (string, error) {
				if e.ValueFrom.FieldRef != nil {
					return "10.0.0.1", nil
				}
				return "", errors.New("not here")
			},
		})
		// B of the first case's Secret is shadowed by the literal.
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", c.reason, diff)
		}
		var messages []string
		for _, p := range problems {
			messages = append(messages, p.Error())
		}
		if diff := cmp.Diff(c.problems, messages); diff != "" {
			t.Errorf("%s: problems: -want, +got:\n%s", c.reason, diff)
		}
	}
}
