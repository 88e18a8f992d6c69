package reconcile

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/graft"
)

func want() desired {
	return desired{
		Namespace: "shops", Name: "shop-external", App: "shop",
		Wants: eso.Wants{
			Parameter: "/popapps/shop/stage/app", Secret: "shop-secrets", RefreshInterval: 5 * time.Minute,
			DeletionPolicy: graft.DeletionPolicyDelete, Store: graft.Store{Kind: "ClusterSecretStore", Name: "aws-ssm"},
		},
		Owners: []workload{{APIVersion: "apps/v1", Kind: kindDeployment, Namespace: "shops", Name: "web", UID: "u1"}},
	}
}

// stored is what the cache holds after d was applied.
func stored(t *testing.T, d desired, change func(*eso.ExternalSecret)) *eso.ExternalSecret {
	t.Helper()
	raw, err := json.Marshal(d.object("v1", nil))
	if err != nil {
		t.Fatal(err)
	}
	e := &eso.ExternalSecret{}
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
	if _, err := eso.Compact(e); err != nil {
		t.Fatal(err)
	}
	return e
}

func synced(secret string) eso.Status {
	return eso.Status{
		Binding:    eso.Binding{Name: secret},
		Conditions: []metav1.Condition{{Type: eso.ConditionReady, Status: metav1.ConditionTrue, Reason: eso.ReasonSynced}},
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		reason string
		want   func(*desired)
		have   func(*eso.ExternalSecret)
		match  bool
	}{
		{"what was applied needs no second apply", nil, nil, true},
		{"durations are compared, not their texts", nil, func(e *eso.ExternalSecret) { e.Spec.RefreshInterval = "300s" }, true},
		{"defaults of the API server are no difference", nil, func(e *eso.ExternalSecret) {
			e.Spec.DataFrom[0].Extract.ConversionStrategy = "Default"
			e.Spec.DataFrom[0].Extract.DecodingStrategy = "None"
			e.Spec.DataFrom[0].Extract.MetadataPolicy = "None"
		}, true},
		{"other people's owners are theirs", nil, func(e *eso.ExternalSecret) {
			e.OwnerReferences = append(e.OwnerReferences, metav1.OwnerReference{UID: "theirs"})
		}, true},
		{"a person's decoding changes what is read", nil, func(e *eso.ExternalSecret) { e.Spec.DataFrom[0].Extract.DecodingStrategy = "Base64" }, false},
		{"a second source, too", nil, func(e *eso.ExternalSecret) {
			e.Spec.DataFrom = append(e.Spec.DataFrom, eso.DataFrom{Extract: &eso.Extract{Key: "/x"}})
		}, false},
		{"another store", nil, func(e *eso.ExternalSecret) { e.Spec.SecretStoreRef.Name = "other" }, false},
		{"another Secret", nil, func(e *eso.ExternalSecret) { e.Spec.Target.Name = "other" }, false},
		{"a label that is gone", nil, func(e *eso.ExternalSecret) { delete(e.Labels, api.LabelApp) }, false},
		{"an owner that somebody took away", nil, func(e *eso.ExternalSecret) { e.OwnerReferences = nil }, false},
		{"an owner that came", func(d *desired) { d.Owners = append(d.Owners, workload{UID: "u2"}) }, nil, false},
		{"an owner that goes", func(d *desired) { d.Owners = []workload{{UID: "u2"}} }, nil, false},
		{"one that was restored without its managed fields", nil, func(e *eso.ExternalSecret) { e.ManagedFields = nil }, false},
		{"once ESO filled the Secret, Delete is due", nil, func(e *eso.ExternalSecret) { e.Status = synced("shop-secrets") }, false},
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
		existing *eso.ExternalSecret
		policy   string
	}{
		{"a new one must not delete a Secret made by hand", graft.DeletionPolicyDelete, nil, graft.DeletionPolicyRetain},
		{"nor one that ESO did not look at", graft.DeletionPolicyDelete, &eso.ExternalSecret{Spec: eso.Spec{Target: eso.Target{Name: "shop-secrets"}}}, graft.DeletionPolicyRetain},
		{"ESO filled it", graft.DeletionPolicyDelete, &eso.ExternalSecret{Spec: eso.Spec{Target: eso.Target{Name: "shop-secrets"}}, Status: synced("shop-secrets")}, graft.DeletionPolicyDelete},
		{"ESO filled another, before the name changed", graft.DeletionPolicyDelete, &eso.ExternalSecret{Spec: eso.Spec{Target: eso.Target{Name: "old"}}, Status: synced("old")}, graft.DeletionPolicyRetain},
		{
			"it stays, when a sync fails later", graft.DeletionPolicyDelete,
			&eso.ExternalSecret{Spec: eso.Spec{Target: eso.Target{Name: "shop-secrets", DeletionPolicy: graft.DeletionPolicyDelete}}}, graft.DeletionPolicyDelete,
		},
		{"Retain is Retain", graft.DeletionPolicyRetain, &eso.ExternalSecret{Spec: eso.Spec{Target: eso.Target{Name: "shop-secrets"}}, Status: synced("shop-secrets")}, graft.DeletionPolicyRetain},
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
	existing := &eso.ExternalSecret{ObjectMeta: metav1.ObjectMeta{UID: "es"}}
	object := d.object("v1beta1", existing)
	if object.GetUID() != "es" {
		t.Error("an apply without UID could bring back one that is being deleted")
	}
	if object.GetAPIVersion() != "external-secrets.io/v1beta1" {
		t.Errorf("apiVersion is %s", object.GetAPIVersion())
	}
}
