package externalsecret

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
)

func synced(secret string) Status {
	return Status{
		Binding:    Binding{Name: secret},
		Conditions: []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionTrue, Reason: ReasonSynced}},
	}
}

func TestSecretExists(t *testing.T) {
	for _, test := range []struct {
		reason string
		status Status
		exists bool
	}{
		{"synced", synced("shop-secrets"), true},
		{"nothing said yet", Status{}, false},
		{"an empty parameter with Retain is Ready without a Secret", synced(""), false},
		{"an empty parameter with Delete is Ready, and keeps its binding", Status{
			Binding:    Binding{Name: "shop-secrets"},
			Conditions: []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionTrue, Reason: "SecretDeleted"}},
		}, false},
		{"an error", Status{
			Binding:    Binding{Name: "shop-secrets"},
			Conditions: []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionFalse, Reason: "SecretSyncedError"}},
		}, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			e := &ExternalSecret{Spec: Spec{Target: Target{Name: "shop-secrets"}}, Status: test.status}
			if got := e.SecretExists(); got != test.exists {
				t.Errorf("got %t, want %t", got, test.exists)
			}
		})
	}
}

func TestOurs(t *testing.T) {
	for _, test := range []struct {
		reason  string
		labels  map[string]string
		applied bool
		ours    bool
	}{
		{"made by hand", nil, false, false},
		{"made by hand, with the app's label", map[string]string{api.LabelApp: "shop"}, false, false},
		{"applied", nil, true, true},
		{"restored from a backup", map[string]string{LabelManagedBy: ManagedBy, api.LabelApp: "shop"}, false, true},
		{"another app's", map[string]string{LabelManagedBy: ManagedBy, api.LabelApp: "other"}, true, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			e := &ExternalSecret{ObjectMeta: metav1.ObjectMeta{Labels: test.labels}, Applied: Applied{Any: test.applied}}
			if _, err := Compact(e); err != nil {
				t.Fatal(err)
			}
			if got := e.Ours("shop"); got != test.ours {
				t.Errorf("got %t, want %t", got, test.ours)
			}
		})
	}
}

func TestCompact(t *testing.T) {
	e := &ExternalSecret{ObjectMeta: metav1.ObjectMeta{
		Annotations: map[string]string{"large": "…", api.AnnotationForcedVersion: "/x@1", api.AnnotationKeys: `{"version":1,"keys":["A"]}`},
		Labels:      map[string]string{LabelManagedBy: ManagedBy, api.LabelApp: "shop", "foreign": "x"},
		ManagedFields: []metav1.ManagedFieldsEntry{{
			Manager: api.FieldManager, Operation: metav1.ManagedFieldsOperationApply,
			FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"u1\"}":{}}}}`),
		}},
	}}
	for range 2 { // as informers do
		if _, err := Compact(e); err != nil {
			t.Fatal(err)
		}
	}
	if e.Record == nil || e.Record.Version != 1 {
		t.Errorf("the record is %+v", e.Record)
	}
	if e.ManagedFields != nil || e.Labels != nil || e.App != "shop" || !e.Managed {
		t.Errorf("it holds %v %v, app %q, managed %t", e.ManagedFields, e.Labels, e.App, e.Managed)
	}
	if diff := cmp.Diff(map[string]string{api.AnnotationForcedVersion: "/x@1"}, e.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]types.UID{"u1"}, e.Applied.Owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}
