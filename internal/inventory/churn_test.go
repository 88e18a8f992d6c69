package inventory

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/test/churn"
)

// TestInventoryChurn has 100,000 Deployments with a pod each, in 10,000 namespaces,
// come and go, and the owner of each pod looked for, which does not exist.
func TestInventoryChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held [2]int
		i := New(Connection{Log: logr.Discard()}, recorded(func(resource string, objects int) {
			switch resource {
			case "pods":
				held[0] = objects
			case "deployments":
				held[1] = objects
			}
		}), func(client.ObjectKey) {})
		owners := i.Owners(fake.NewClientBuilder().Build())
		deployment := decode(t, object(deploymentKind(), "web", ""))
		churn.Test(t, churn.Churn{
			Come: func(n int) {
				d := *deployment
				d.Namespace, d.Name, d.UID = fmt.Sprint("ns", n/10), fmt.Sprint("web", n), types.UID(fmt.Sprint("d", n))
				d.Labels = map[string]string{api.LabelApp: fmt.Sprint("app", n)}
				pod := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
					Namespace: d.Namespace, Name: d.Name, UID: types.UID(fmt.Sprint("p", n)), Labels: d.Labels,
					OwnerReferences: controlledBy(workload.ReplicaSet, d.Name, fmt.Sprint("rs", n)),
				}}
				if err := i.workloads.deployments().Update(&d); err != nil {
					t.Fatal(err)
				}
				if err := i.pods.Update(pod); err != nil {
					t.Fatal(err)
				}
				if held != [2]int{1, 1} {
					t.Fatalf("%v pods and Deployments are held, want 1 of each", held)
				}
				if top, err := owners.Top(t.Context(), PodOf(pod)); top != nil || err != nil {
					t.Fatalf("got %v, %v", top, err)
				}
				if err := i.workloads.deployments().Delete(&d); err != nil {
					t.Fatal(err)
				}
				if err := i.pods.Delete(pod); err != nil {
					t.Fatal(err)
				}
				time.Sleep(864 * time.Millisecond)
			},
			Rest: func() { time.Sleep(ownersTTL) },
			Held: func() int { return held[0] + held[1] + owners.known.Len() },
		})
	})
}

// recorded is a Recorder of objects.
type recorded func(resource string, objects int)

func (r recorded) SetHeld(resource string, objects, _ int) { r(resource, objects) }
