package reconcile

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
)

func want() desired {
	return desired{
		Namespace: "shops", Name: "shop-external", App: "shop",
		Wants: wants{
			Parameter: "/popapps/shop/stage/app", Secret: "shop-secrets", RefreshInterval: 5 * time.Minute,
			DeletionPolicy: graft.DeletionPolicyDelete, Store: graft.Store{Kind: "ClusterSecretStore", Name: "aws-ssm"},
		},
		Owners: []workload{{APIVersion: "apps/v1", Kind: kindDeployment, Namespace: "shops", Name: "web", UID: "u1"}},
	}
}

// stored is what the cache holds after d was applied.
func stored(t *testing.T, d desired, change func(*externalSecret)) *externalSecret {
	t.Helper()
	raw, err := json.Marshal(d.object("v1", nil))
	if err != nil {
		t.Fatal(err)
	}
	e := &externalSecret{}
	if err := json.Unmarshal(raw, e); err != nil {
		t.Fatal(err)
	}
	e.UID = "es"
	fields := &metav1.FieldsV1{}
	fields.SetRawString(`{"f:metadata":{"f:ownerReferences":{"k:{\"uid\":\"u1\"}":{}}}}`)
	e.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: api.FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: fields}}
	if change != nil {
		change(e)
	}
	if _, err := compact(e); err != nil {
		t.Fatal(err)
	}
	return e
}

func synced(secret string) externalSecretStatus {
	return externalSecretStatus{
		Binding:    binding{Name: secret},
		Conditions: []metav1.Condition{{Type: conditionReady, Status: metav1.ConditionTrue, Reason: reasonSecretSynced}},
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		reason string
		want   func(*desired)
		have   func(*externalSecret)
		match  bool
	}{
		{"what was applied needs no second apply", nil, nil, true},
		{"durations are compared, not their texts", nil, func(e *externalSecret) { e.Spec.RefreshInterval = "300s" }, true},
		{"defaults of the API server are no difference", nil, func(e *externalSecret) {
			e.Spec.DataFrom[0].Extract.ConversionStrategy = "Default"
			e.Spec.DataFrom[0].Extract.DecodingStrategy = "None"
			e.Spec.DataFrom[0].Extract.MetadataPolicy = "None"
		}, true},
		{"other people's owners are theirs", nil, func(e *externalSecret) {
			e.OwnerReferences = append(e.OwnerReferences, metav1.OwnerReference{UID: "theirs"})
		}, true},
		{"a person's decoding changes what is read", nil, func(e *externalSecret) { e.Spec.DataFrom[0].Extract.DecodingStrategy = "Base64" }, false},
		{"a second source, too", nil, func(e *externalSecret) {
			e.Spec.DataFrom = append(e.Spec.DataFrom, dataFromEntry{Extract: &extract{Key: "/x"}})
		}, false},
		{"another store", nil, func(e *externalSecret) { e.Spec.SecretStoreRef.Name = "other" }, false},
		{"another Secret", nil, func(e *externalSecret) { e.Spec.Target.Name = "other" }, false},
		{"a label that is gone", nil, func(e *externalSecret) { delete(e.Labels, api.LabelApp) }, false},
		{"an owner that somebody took away", nil, func(e *externalSecret) { e.OwnerReferences = nil }, false},
		{"an owner that came", func(d *desired) { d.Owners = append(d.Owners, workload{UID: "u2"}) }, nil, false},
		{"an owner that goes", func(d *desired) { d.Owners = []workload{{UID: "u2"}} }, nil, false},
		{"one that was restored without its managed fields", nil, func(e *externalSecret) { e.ManagedFields = nil }, false},
		{"once ESO filled the Secret, Delete is due", nil, func(e *externalSecret) { e.Status = synced("shop-secrets") }, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			d := want()
			have := stored(t, d, test.have)
			if test.want != nil {
				test.want(&d)
			}
			if got := d.matches(have); got != test.match {
				t.Errorf("matches is %t, want %t", got, test.match)
			}
		})
	}
	if d := want(); d.matches(nil) {
		t.Error("what is not there matches")
	}
}

func TestDeletionPolicy(t *testing.T) {
	for _, test := range []struct {
		reason   string
		wants    string
		existing *externalSecret
		policy   string
	}{
		{"a new one must not delete a Secret made by hand", graft.DeletionPolicyDelete, nil, graft.DeletionPolicyRetain},
		{"nor one that ESO did not look at", graft.DeletionPolicyDelete, &externalSecret{Spec: externalSecretSpec{Target: target{Name: "shop-secrets"}}}, graft.DeletionPolicyRetain},
		{"ESO filled it", graft.DeletionPolicyDelete, &externalSecret{Spec: externalSecretSpec{Target: target{Name: "shop-secrets"}}, Status: synced("shop-secrets")}, graft.DeletionPolicyDelete},
		{"ESO filled another, before the name changed", graft.DeletionPolicyDelete, &externalSecret{Spec: externalSecretSpec{Target: target{Name: "old"}}, Status: synced("old")}, graft.DeletionPolicyRetain},
		{
			"it stays, when a sync fails later", graft.DeletionPolicyDelete,
			&externalSecret{Spec: externalSecretSpec{Target: target{Name: "shop-secrets", DeletionPolicy: graft.DeletionPolicyDelete}}}, graft.DeletionPolicyDelete,
		},
		{"Retain is Retain", graft.DeletionPolicyRetain, &externalSecret{Spec: externalSecretSpec{Target: target{Name: "shop-secrets"}}, Status: synced("shop-secrets")}, graft.DeletionPolicyRetain},
	} {
		t.Run(test.reason, func(t *testing.T) {
			d := want()
			d.Wants.DeletionPolicy = test.wants
			if got := d.deletionPolicy(test.existing); got != test.policy {
				t.Errorf("got %s, want %s", got, test.policy)
			}
		})
	}
}

func TestObject(t *testing.T) {
	d := want()
	if _, found := d.object("v1", nil).Object["metadata"].(map[string]any)["uid"]; found {
		t.Error("a new object has a UID, which would be refused")
	}
	existing := &externalSecret{ObjectMeta: metav1.ObjectMeta{UID: "es"}}
	object := d.object("v1beta1", existing)
	if object.GetUID() != "es" {
		t.Error("an apply without UID could bring back one that is being deleted")
	}
	if object.GetAPIVersion() != "external-secrets.io/v1beta1" {
		t.Errorf("apiVersion is %s", object.GetAPIVersion())
	}
}

func TestSecretExists(t *testing.T) {
	for _, test := range []struct {
		reason string
		status externalSecretStatus
		exists bool
	}{
		{"synced", synced("shop-secrets"), true},
		{"nothing said yet", externalSecretStatus{}, false},
		{"an empty parameter with Retain is Ready without a Secret", synced(""), false},
		{"an empty parameter with Delete is Ready, and keeps its binding", externalSecretStatus{
			Binding:    binding{Name: "shop-secrets"},
			Conditions: []metav1.Condition{{Type: conditionReady, Status: metav1.ConditionTrue, Reason: "SecretDeleted"}},
		}, false},
		{"an error", externalSecretStatus{
			Binding:    binding{Name: "shop-secrets"},
			Conditions: []metav1.Condition{{Type: conditionReady, Status: metav1.ConditionFalse, Reason: "SecretSyncedError"}},
		}, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			e := &externalSecret{Spec: externalSecretSpec{Target: target{Name: "shop-secrets"}}, Status: test.status}
			if got := e.secretExists(); got != test.exists {
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
		{"restored from a backup", map[string]string{labelManagedBy: managedBy, api.LabelApp: "shop"}, false, true},
		{"another app's", map[string]string{labelManagedBy: managedBy, api.LabelApp: "other"}, true, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			e := &externalSecret{ObjectMeta: metav1.ObjectMeta{Labels: test.labels}, applied: applied{any: test.applied}}
			if got := e.ours("shop"); got != test.ours {
				t.Errorf("got %t, want %t", got, test.ours)
			}
		})
	}
}

func TestCompact(t *testing.T) {
	e := stored(t, want(), func(e *externalSecret) {
		e.Annotations = map[string]string{"large": "…", api.AnnotationForcedVersion: "/x@1"}
		e.Labels["theirs"] = "x"
	})
	if e.ManagedFields != nil || len(e.Labels) != 2 {
		t.Errorf("it holds %v %v", e.ManagedFields, e.Labels)
	}
	if diff := cmp.Diff(map[string]string{api.AnnotationForcedVersion: "/x@1"}, e.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]types.UID{"u1"}, e.applied.owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}
