package facts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// TestNamespacesAreHeldSmall keeps what identity reads of a Namespace, and
// nothing that others wrote to it.
func TestNamespacesAreHeldSmall(t *testing.T) {
	ns := namespaceMetadata()
	ns.ObjectMeta = metav1.ObjectMeta{
		Name: "popapps", UID: "1", ResourceVersion: "7", Finalizers: []string{"example.com/hold"},
		Labels: map[string]string{"kubernetes.io/metadata.name": "popapps", api.LabelInject: "enabled", api.LabelSystem: "pop", api.LabelBypass: ""},
		Annotations: map[string]string{
			api.AnnotationAllowedParameterPrefixes: "/shared/", "example.com/notes": strings.Repeat("x", 200<<10),
		},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
	}
	for range 2 { // an informer may hand over what it compacted already
		held, err := compactNamespace(ns)
		if err != nil {
			t.Fatal(err)
		}
		want := namespaceMetadata()
		want.ObjectMeta = metav1.ObjectMeta{
			Name: "popapps", UID: "1", ResourceVersion: "7",
			Labels:      map[string]string{api.LabelInject: "enabled", api.LabelSystem: "pop", api.LabelBypass: ""},
			Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/shared/"},
		}
		if diff := cmp.Diff(want, held); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if diff := cmp.Diff(identity.Namespace{Name: "popapps", Labels: ns.Labels, Annotations: ns.Annotations}, namespaceOf(ns)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
