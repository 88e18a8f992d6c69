package externalsecret

import (
	"encoding/json"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/workload"
)

func want() Desired {
	return Desired{
		Namespace: "shops", Name: "shop-external", App: "shop", Phase: PhaseOwn,
		Wants: Wants{
			Parameter: "/popapps/shop/stage/app", Secret: "shop-secrets", RefreshInterval: 5 * time.Minute,
			DeletionPolicy: graft.DeletionPolicyDelete, Store: graft.Store{Kind: "ClusterSecretStore", Name: "aws-ssm"},
		},
		Owners: []workload.Ref{{APIVersion: "apps/v1", Kind: workload.Deployment, Namespace: "shops", Name: "web", UID: "u1"}},
	}
}

// stored is what the cache holds after d was applied.
func stored(t *testing.T, d Desired, change func(*ExternalSecret)) *ExternalSecret {
	t.Helper()
	object, err := d.Object("v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	e := &ExternalSecret{}
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
	if _, err := Compact(e); err != nil {
		t.Fatal(err)
	}
	return e
}

func syncedInto(secret string) Status {
	return Status{
		SyncedResourceVersion: "0-hash",
		Binding:               Binding{Name: secret},
		Conditions:            []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionTrue, Reason: ReasonSynced}},
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		reason string
		want   func(*Desired)
		have   func(*ExternalSecret)
		match  bool
	}{
		{"what was applied needs no second apply", nil, nil, true},
		{"durations are compared, not their texts", nil, func(e *ExternalSecret) { e.Spec.RefreshInterval = "300s" }, true},
		{"defaults of the API server are no difference", nil, func(e *ExternalSecret) {
			e.Spec.DataFrom[0].Extract.Options = OptionsDefault
		}, true},
		{"what an ESO that fills in no defaults was given before they were written out is written once more", nil, func(e *ExternalSecret) {
			e.Spec.DataFrom[0].Extract.Options = OptionsImplied
		}, false},
		{"a person's key beside those of the parameter", nil, func(e *ExternalSecret) {
			e.Spec.Data = []Data{{SecretKey: "KEY"}}
		}, false},
		{"owner references of others are not compared", nil, func(e *ExternalSecret) {
			e.OwnerReferences = append(e.OwnerReferences, metav1.OwnerReference{UID: "foreign"})
		}, true},
		{"a person's decoding changes what is read", nil, func(e *ExternalSecret) {
			e.Spec.DataFrom[0].Extract.Options = OptionsOther
		}, false},
		{"a second source, too", nil, func(e *ExternalSecret) {
			e.Spec.DataFrom = append(e.Spec.DataFrom, DataFrom{Extract: &Extract{Key: "/x"}})
		}, false},
		{"another store", nil, func(e *ExternalSecret) { e.Spec.SecretStoreRef.Name = "other" }, false},
		{"another Secret", nil, func(e *ExternalSecret) { e.Spec.Target.Name = "other" }, false},
		{"a label that is gone", nil, func(e *ExternalSecret) { delete(e.Labels, api.LabelApp) }, false},
		{"an owner that somebody took away", nil, func(e *ExternalSecret) { e.OwnerReferences = nil }, false},
		{"an owner that came", func(d *Desired) { d.Owners = append(d.Owners, workload.Ref{UID: "u2"}) }, nil, false},
		{"an owner that goes", func(d *Desired) { d.Owners = []workload.Ref{{UID: "u2"}} }, nil, false},
		{"one that was restored without its managed fields", nil, func(e *ExternalSecret) { e.ManagedFields = nil }, false},
		{"once ESO filled the Secret, Delete is due", nil, func(e *ExternalSecret) { e.Status = syncedInto("shop-secrets") }, false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			d := want()
			have := stored(t, d, test.have)
			if test.want != nil {
				test.want(&d)
			}
			if got := d.Matches(have); got != test.match {
				t.Errorf("matches is %t, want %t", got, test.match)
			}
		})
	}
	if d := want(); d.Matches(nil) {
		t.Error("what is not there matches")
	}
}

func TestDeletionPolicy(t *testing.T) {
	for _, test := range []struct {
		reason string
		wants  string
		change func(*ExternalSecret)
		policy string
	}{
		{"ESO did not look at it yet", graft.DeletionPolicyDelete, nil, graft.DeletionPolicyRetain},
		{"ESO filled it", graft.DeletionPolicyDelete, func(e *ExternalSecret) { e.Status = syncedInto("shop-secrets") }, graft.DeletionPolicyDelete},
		{"ESO filled it by the spec before this one", graft.DeletionPolicyDelete, func(e *ExternalSecret) {
			e.Status, e.Generation = syncedInto("shop-secrets"), 2
		}, graft.DeletionPolicyRetain},
		{"ESO filled another, before the name changed", graft.DeletionPolicyDelete, func(e *ExternalSecret) {
			e.Spec.Target.Name, e.Status = "old", syncedInto("old")
		}, graft.DeletionPolicyRetain},
		{"ESO filled it from another parameter, and this one may be missing", graft.DeletionPolicyDelete, func(e *ExternalSecret) {
			e.Spec.DataFrom[0].Extract.Key, e.Spec.Target.DeletionPolicy, e.Status = "/old", graft.DeletionPolicyDelete, syncedInto("shop-secrets")
		}, graft.DeletionPolicyRetain},
		{"it stays, when a sync fails later", graft.DeletionPolicyDelete, func(e *ExternalSecret) {
			e.Spec.Target.DeletionPolicy = graft.DeletionPolicyDelete
		}, graft.DeletionPolicyDelete},
		{"Retain is Retain", graft.DeletionPolicyRetain, func(e *ExternalSecret) { e.Status = syncedInto("shop-secrets") }, graft.DeletionPolicyRetain},
	} {
		t.Run(test.reason, func(t *testing.T) {
			d := want()
			d.Wants.DeletionPolicy = test.wants
			if got := d.deletionPolicy(stored(t, want(), test.change)); got != test.policy {
				t.Errorf("got %s, want %s", got, test.policy)
			}
		})
	}
	if got := want().deletionPolicy(nil); got != graft.DeletionPolicyRetain {
		t.Errorf("a new one has %s", got)
	}
}

// TestPhases holds what is applied in each phase, and that reading it back
// tells the phase.
func TestPhases(t *testing.T) {
	filled := stored(t, want(), func(e *ExternalSecret) {
		e.Status = syncedInto("shop-secrets")
		e.Status.RefreshTime = metav1.Now()
	})
	for _, test := range []struct {
		reason   string
		phase    Phase
		existing *ExternalSecret
		target   Target
	}{
		{
			"a probe writes no Secret, whatever ESO does", PhaseProbe, nil,
			Target{Name: "shop-secrets", CreationPolicy: "Merge", DeletionPolicy: "Retain", Template: TemplateGuard},
		},
		{
			"an owner has ESO's own way", PhaseOwn, nil,
			Target{Name: "shop-secrets", CreationPolicy: "Owner", DeletionPolicy: "Retain"},
		},
		{
			"of a filled Secret nobody reads the parameter again", PhaseRevoked, filled,
			Target{Name: "shop-secrets", CreationPolicy: "Orphan", DeletionPolicy: "Retain", Template: TemplateGuard},
		},
		{
			"one that was never filled must not be filled by being revoked", PhaseRevoked, stored(t, want(), nil),
			Target{Name: "shop-secrets", CreationPolicy: "Merge", DeletionPolicy: "Retain", Template: TemplateGuard},
		},
	} {
		t.Run(test.reason, func(t *testing.T) {
			d := want()
			d.Phase = test.phase
			if test.phase == PhaseRevoked {
				d.Revoked = "a reason"
			}
			if got := d.target(test.existing); got != test.target {
				t.Errorf("got %+v, want %+v", got, test.target)
			}
			if got := stored(t, d, nil).Phase(); test.existing == nil && got != test.phase {
				t.Errorf("it is read as %s", got)
			}
		})
	}
}

func TestObject(t *testing.T) {
	d := want()
	for _, test := range []struct {
		reason   string
		existing *ExternalSecret
		uid      types.UID
	}{
		{"a new object with a UID would be refused", nil, ""},
		{"an apply without UID could bring back one that is being deleted", &ExternalSecret{ObjectMeta: metav1.ObjectMeta{UID: "es"}}, "es"},
	} {
		object, err := d.Object("v1beta1", test.existing)
		if err != nil {
			t.Fatal(err)
		}
		if object.GetUID() != test.uid || object.GetAPIVersion() != "external-secrets.io/v1beta1" {
			t.Errorf("%s: got %q %s", test.reason, object.GetUID(), object.GetAPIVersion())
		}
	}
}
