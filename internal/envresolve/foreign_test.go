package envresolve

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestForeign(t *testing.T) {
	bound := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "X"}}
	template := corev1.Container{Env: []corev1.EnvVar{{Name: "OWN", Value: "1"}, {Name: "BOUND", Value: "1"}, {Name: "OPTIONAL", Value: "1"}, {Name: "CHANGED", Value: "1"}}}
	admitted := corev1.Container{Env: []corev1.EnvVar{
		{Name: "OWN", Value: "1"},
		{Name: "BOUND", ValueFrom: bound},
		{Name: "OPTIONAL", Value: "1"},
		{Name: "OPTIONAL", ValueFrom: bound},
		{Name: "CHANGED", Value: "2"},
		{Name: "ADDED", Value: "2"},
		{Name: "ADDED_AND_BOUND", ValueFrom: bound},
		{Name: "ADDED_AND_BOUND", ValueFrom: bound},
	}}
	if diff := cmp.Diff([]string{"ADDED", "ADDED_AND_BOUND", "CHANGED"}, Foreign(template, admitted)); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if got := Foreign(template, template); len(got) > 0 {
		t.Errorf("a pod that nobody changed: %q", got)
	}
}
