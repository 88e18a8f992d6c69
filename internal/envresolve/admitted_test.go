package envresolve

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func secretRef(name string) corev1.EnvFromSource {
	return corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}
}

func TestAdmit(t *testing.T) {
	bound := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "X"}}
	template := corev1.Container{
		Env:     []corev1.EnvVar{{Name: "OWN", Value: "1"}, {Name: "BOUND", Value: "1"}, {Name: "OPTIONAL", Value: "1"}, {Name: "CHANGED", Value: "1"}, {Name: "TAKES", ValueFrom: bound}},
		EnvFrom: []corev1.EnvFromSource{secretRef("author")},
	}
	admitted := corev1.Container{
		Env: []corev1.EnvVar{
			{Name: "OWN", Value: "1"},
			{Name: "BOUND", ValueFrom: bound},
			{Name: "OPTIONAL", Value: "1"},
			{Name: "OPTIONAL", ValueFrom: bound},
			{Name: "CHANGED", Value: "2"},
			{Name: "TAKES", ValueFrom: bound},
			{Name: "ADDED", Value: "2"},
			{Name: "ADDED_AND_BOUND", ValueFrom: bound},
			{Name: "ADDED_AND_BOUND", ValueFrom: bound},
		},
		EnvFrom: []corev1.EnvFromSource{secretRef("author"), secretRef("foreign"), secretRef("foreign"), secretRef("ours")},
	}
	got := Admit(template, admitted, Source{Kind: KindSecret, Name: "ours"})
	want := Admitted{
		Added: []string{"ADDED", "ADDED_AND_BOUND"}, Changed: []string{"CHANGED"},
		Objects: []Source{{Kind: KindSecret, Name: "foreign"}}, Bound: []string{"BOUND", "OPTIONAL"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	for _, c := range []struct {
		reason string
		of     Variable
		want   string
	}{
		{"a literal of another's", Variable{Name: "ADDED", From: Source{Kind: KindLiteral}}, ByAnotherAdded},
		{"one that was bound since", Variable{Name: "ADDED_AND_BOUND", From: Source{Kind: KindSecret, Name: "ours", Key: "X"}}, ByAnotherAdded},
		{"a key of an object that another added", Variable{Name: "KEY", From: Source{Kind: KindSecret, Name: "foreign", Key: "KEY"}}, ByAnotherAdded},
		{"another value", Variable{Name: "CHANGED", From: Source{Kind: KindLiteral}}, ByAnotherChanged},
		{"the author's", Variable{Name: "OWN", From: Source{Kind: KindLiteral}}, ""},
		{"a key of ours", Variable{Name: "X", From: Source{Kind: KindSecret, Name: "ours", Key: "X"}}, ""},
		{"a key of the author's object", Variable{Name: "Y", From: Source{Kind: KindSecret, Name: "author", Key: "Y"}}, ""},
	} {
		if did := got.ByAnother(c.of); did != c.want {
			t.Errorf("%s: %q, want %q", c.reason, did, c.want)
		}
	}
	if diff := cmp.Diff(Admitted{}, Admit(template, template)); diff != "" {
		t.Errorf("a pod that nobody changed: -want, +got:\n%s", diff)
	}
}

func TestAdmitAll(t *testing.T) {
	template := corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "init", Env: []corev1.EnvVar{{Name: "OWN"}}}}, Containers: []corev1.Container{{Name: "app"}},
	}
	added := []corev1.EnvVar{{Name: "ADDED", Value: "1"}}
	admitted := corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "init", Env: []corev1.EnvVar{{Name: "OWN"}}}},
		Containers:     []corev1.Container{{Name: "app", Env: added}, {Name: "sidecar", Env: added, EnvFrom: []corev1.EnvFromSource{secretRef("ours")}}},
	}
	want := map[string]Admitted{"init": {}, "app": {Added: []string{"ADDED"}}, "sidecar": {Added: []string{"ADDED"}, Container: true}}
	if diff := cmp.Diff(want, AdmitAll(template, admitted, Source{Kind: KindSecret, Name: "ours"})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}
