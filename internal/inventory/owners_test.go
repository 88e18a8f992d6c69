package inventory

import (
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/envgraft/envgraft/internal/workload"
)

func controlledBy(kind, name, uid string) []metav1.OwnerReference {
	yes := true
	return []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: name, UID: types.UID(uid), Controller: &yes}}
}

// TestForeignOwner has a pod name another namespace's ReplicaSet by its UID: it
// must not get at that one's Deployment, and asked for first it must not take the
// Deployment's own pods from it.
func TestForeignOwner(t *testing.T) {
	i := New(Connection{Log: logr.Discard()}, held{}, func(client.ObjectKey) {})
	if err := i.workloads.deployments().Update(decode(t, object(deploymentKind(), "web", ""))); err != nil {
		t.Fatal(err)
	}
	replicaSet := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
		Namespace: "n", Name: "web-1", UID: "rs", OwnerReferences: controlledBy("Deployment", "web", "web"),
	}}
	pod := func(namespace, owner string) *Pod {
		return PodOf(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "p", UID: "p", Labels: map[string]string{"envgraft.dev/app": "shop"},
			OwnerReferences: controlledBy("ReplicaSet", owner, "rs"),
		}})
	}
	victim := pod("n", "web-1")
	for name, order := range map[string][]*Pod{
		"ForeignFirst":   {pod("evil", "web-1"), victim},
		"ForeignLast":    {victim, pod("evil", "web-1")},
		"AnotherName":    {pod("n", "web-2"), victim},
		"AnotherNameToo": {victim, pod("n", "web-2")},
	} {
		t.Run(name, func(t *testing.T) {
			owners := i.Owners(fake.NewClientBuilder().WithObjects(replicaSet).Build())
			for _, p := range order {
				top, err := owners.Top(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				var want *workload.Ref
				if p == victim {
					want = &workload.Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "n", Name: "web", UID: "web"}
				}
				if diff := cmp.Diff(want, top); diff != "" {
					t.Errorf("pod of %s in namespace %q (-want +got):\n%s", p.Controller.Name, p.Namespace, diff)
				}
			}
		})
	}
}
