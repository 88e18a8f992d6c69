package envresolve

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// The expectations follow what was seen of a real kubelet 1.37; the e2e test
// reads the same from a running process.
func TestCompute(t *testing.T) {
	objects := map[string][]string{
		"Secret/s":    {"A", "B"},
		"ConfigMap/c": {"B", "C"},
		"Secret/gone": {},
	}
	keys := func(kind, name string) ([]string, bool) {
		k, ok := objects[kind+"/"+name]
		return k, ok
	}
	secret := func(name string) corev1.EnvFromSource {
		return corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}
	}
	configMap := func(name, prefix string) corev1.EnvFromSource {
		return corev1.EnvFromSource{Prefix: prefix, ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}
	}
	secretKey := func(env, name, key string, optional bool) corev1.EnvVar {
		return corev1.EnvVar{Name: env, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key, Optional: &optional,
		}}}
	}
	sA, sB := Source{KindSecret, "s", "A"}, Source{KindSecret, "s", "B"}
	cB, cC := Source{KindConfigMap, "c", "B"}, Source{KindConfigMap, "c", "C"}
	literal := Source{Kind: KindLiteral}

	cases := map[string]struct {
		reason    string
		container corev1.Container
		want      []Variable
		unknown   []Source
	}{
		"LastWins": {
			reason:    "Within envFrom a later entry beats an earlier one.",
			container: corev1.Container{EnvFrom: []corev1.EnvFromSource{configMap("c", ""), secret("s")}},
			want:      []Variable{{"A", sA, []Source{}}, {"B", sB, []Source{cB}}, {"C", cC, []Source{}}},
		},
		"EnvWins": {
			reason:    "env beats envFrom, whatever its place.",
			container: corev1.Container{EnvFrom: []corev1.EnvFromSource{secret("s")}, Env: []corev1.EnvVar{{Name: "A", Value: "x"}, {Name: "Z"}}},
			want:      []Variable{{"A", literal, []Source{sA}}, {"B", sB, []Source{}}, {"Z", literal, []Source{}}},
		},
		"LastEnvWins": {
			reason:    "Of two entries of env with one name the later one wins.",
			container: corev1.Container{Env: []corev1.EnvVar{{Name: "A", Value: "x"}, secretKey("A", "s", "A", false)}},
			want:      []Variable{{"A", sA, []Source{literal}}},
		},
		"Prefix": {
			reason:    "A prefix makes other names.",
			container: corev1.Container{EnvFrom: []corev1.EnvFromSource{configMap("c", "X_")}},
			want:      []Variable{{"X_B", cB, []Source{}}, {"X_C", cC, []Source{}}},
		},
		"OptionalKeyMissing": {
			reason:    "The kubelet skips an optional key that is not there; what envFrom gave stays.",
			container: corev1.Container{EnvFrom: []corev1.EnvFromSource{configMap("c", "")}, Env: []corev1.EnvVar{secretKey("C", "s", "C", true), secretKey("B", "gone", "B", true)}},
			want:      []Variable{{"B", cB, []Source{}}, {"C", cC, []Source{}}},
		},
		"Unknown": {
			reason:    "What is not known is said, not guessed.",
			container: corev1.Container{EnvFrom: []corev1.EnvFromSource{secret("other")}, Env: []corev1.EnvVar{secretKey("K", "other", "k", true)}},
			want:      []Variable{{"K", Source{KindSecret, "other", "k"}, []Source{}}},
			unknown:   []Source{{Kind: KindSecret, Name: "other"}},
		},
		"Field": {
			reason: "Fields are sources too.",
			container: corev1.Container{Env: []corev1.EnvVar{{Name: "IP", ValueFrom: &corev1.EnvVarSource{
				FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"},
			}}}},
			want: []Variable{{"IP", Source{Kind: KindField, Name: "status.podIP"}, []Source{}}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, unknown := Compute(tc.container, keys)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nvariables: -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.unknown, unknown); diff != "" {
				t.Errorf("%s\nunknown: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestSourceString(t *testing.T) {
	for source, want := range map[Source]string{
		{KindSecret, "myapp-secrets", "DATABASE_URL"}: "Secret/myapp-secrets[DATABASE_URL]",
		{KindConfigMap, "c", ""}:                      "ConfigMap/c",
		{Kind: KindLiteral}:                           "Literal",
	} {
		if got := source.String(); got != want {
			t.Errorf("String: got %q, want %q", got, want)
		}
	}
}
