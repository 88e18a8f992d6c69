package workload_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/workload"
)

// TestRules states for each kind what other packages decide by.
func TestRules(t *testing.T) {
	type rules struct {
		Template                        string
		Owns, Restartable, Pods, Served bool
		APIVersion                      string
	}
	for name, tc := range map[string]struct {
		reason string
		ref    workload.Ref
		want   rules
	}{
		"Deployment": {
			"its pods name a ReplicaSet",
			workload.Ref{APIVersion: "apps/v1", Kind: "Deployment"},
			rules{"/spec/template", true, true, false, true, "apps/v1"},
		},
		"OldDeployment": {
			"an author may write a version that is no longer served",
			workload.Ref{APIVersion: "apps/v1beta1", Kind: "Deployment"},
			rules{"/spec/template", true, true, false, true, "apps/v1"},
		},
		"Rollout": {
			"one of Argo",
			workload.Ref{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout"},
			rules{"/spec/template", true, true, false, true, "argoproj.io/v1alpha1"},
		},
		"OthersRollout": {
			"a Rollout of somebody else has no pods that are known",
			workload.Ref{APIVersion: "example.com/v1", Kind: "Rollout"},
			rules{"", false, false, false, false, "example.com/v1"},
		},
		"CronJob": {
			"the next run gets the new values by itself",
			workload.Ref{APIVersion: "batch/v1", Kind: "CronJob"},
			rules{"/spec/jobTemplate/spec/template", true, false, false, true, "batch/v1"},
		},
		"Job": {
			"an ExternalSecret that it owned would go with each run",
			workload.Ref{APIVersion: "batch/v1", Kind: "Job"},
			rules{"/spec/template", false, false, true, true, "batch/v1"},
		},
		"ReplicaSet": {
			"a restart is its Deployment's",
			workload.Ref{APIVersion: "apps/v1", Kind: "ReplicaSet"},
			rules{"/spec/template", false, false, true, true, "apps/v1"},
		},
		"Pod": {
			"is its own template",
			workload.Ref{APIVersion: "v1", Kind: "Pod"},
			rules{"", false, false, false, true, "v1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := tc.ref.KindOf()
			got := rules{k.Template, tc.ref.OwnsExternalSecrets(), tc.ref.Restartable(), k.MakesPods, !k.IsZero(), tc.ref.Served().APIVersion}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want, +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// TestKinds wants what every list of kinds elsewhere had to keep by hand.
func TestKinds(t *testing.T) {
	seen, aliases := map[schema.GroupKind]bool{}, map[string]bool{}
	for _, k := range workload.Kinds() {
		if seen[k.GroupKind()] {
			t.Errorf("%s stands there twice", k.GroupKind())
		}
		seen[k.GroupKind()] = true
		for _, alias := range append([]string{k.Resource}, k.Aliases...) {
			if aliases[alias] {
				t.Errorf("%q is the name of two kinds", alias)
			}
			aliases[alias] = true
		}
		if k.Restartable && !k.Deployed {
			t.Errorf("%s can be restarted, and nobody deploys it", k.Kind)
		}
	}
	for _, k := range workload.Kinds() {
		for _, maker := range k.Makers {
			if !seen[maker] || !workload.KindOf(maker).Deployed {
				t.Errorf("%s is made by %s, which nobody deploys", k.Kind, maker)
			}
		}
	}
	if k := workload.KindOf(schema.GroupKind{Group: "batch", Kind: "Job"}); !k.MadeBy(schema.GroupKind{Group: "batch", Kind: "CronJob"}) ||
		k.MadeBy(schema.GroupKind{Group: "apps", Kind: "Deployment"}) {
		t.Error("Jobs are made by CronJobs alone")
	}
}

func TestFromOwner(t *testing.T) {
	want := workload.Ref{APIVersion: "apps/v1", Kind: "ReplicaSet", Namespace: "shop", Name: "web-1", UID: "u"}
	got := workload.FromOwner("shop", metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-1", UID: "u"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if workload.Compare(got, got) != 0 || workload.Compare(got, workload.Ref{Kind: "ReplicaSet", Name: "web-2"}) >= 0 {
		t.Error("references are not sorted by kind and name")
	}
}
