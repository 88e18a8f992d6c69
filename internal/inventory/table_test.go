package inventory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
)

// TestTable holds the rows of each app to what a plain map of the pods says,
// while pods come, go and change sides.
func TestTable(t *testing.T) {
	table := newTable(PodOf, samePod, func(client.ObjectKey) {}, func(int, int) {})
	want := map[string]string{} // app by pod
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 2000 {
		name := fmt.Sprintf("pod-%d", random.IntN(12))
		pod := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, UID: types.UID(name)}}
		if random.IntN(3) == 0 {
			if err := table.Delete(pod); err != nil {
				t.Fatal(err)
			}
			delete(want, name)
		} else {
			want[name] = fmt.Sprintf("app-%d", random.IntN(3))
			pod.Labels = map[string]string{api.LabelApp: want[name]}
			if err := table.Update(pod); err != nil {
				t.Fatal(err)
			}
		}
		for app := range 3 {
			var names, expected []string
			for _, row := range table.of(client.ObjectKey{Namespace: "n", Name: fmt.Sprintf("app-%d", app)}) {
				names = append(names, row.Name)
			}
			for name, of := range want {
				if of == fmt.Sprintf("app-%d", app) {
					expected = append(expected, name)
				}
			}
			slices.Sort(names)
			slices.Sort(expected)
			if diff := cmp.Diff(expected, names); diff != "" {
				t.Fatalf("step %d, app-%d (-want +got):\n%s", step, app, diff)
			}
		}
	}
	if len(table.appsIn("n")) == 0 || len(table.others) == 0 {
		t.Error("no app had several pods in the end: the test looked at little")
	}
}
