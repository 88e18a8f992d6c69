package inventory

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

func decode(t *testing.T, raw string) *workloadObject {
	t.Helper()
	o := &workloadObject{}
	if err := json.Unmarshal([]byte(raw), o); err != nil {
		t.Fatal(err)
	}
	return o
}

func deploymentKind() workload.Kind {
	return workload.KindOf(schema.GroupKind{Group: workload.GroupApps, Kind: workload.Deployment})
}

func rolloutKind() workload.Kind {
	return workload.KindOf(schema.GroupKind{Group: workload.GroupArgo, Kind: workload.Rollout})
}

// TestHeldIsBounded has strangers write as much as the API server takes.
func TestHeldIsBounded(t *testing.T) {
	annotations := map[string]string{api.Group + "/x": strings.Repeat("a", 250<<10), "example.com/y": strings.Repeat("b", 250<<10)}
	for _, key := range []string{api.AnnotationParameter, api.AnnotationKeep, api.AnnotationContainers, api.AnnotationSecretStore, api.AnnotationInjected} {
		annotations[key] = strings.Repeat("a,", 50<<10)
	}
	raw, err := json.Marshal(annotations)
	if err != nil {
		t.Fatal(err)
	}
	row := rowOf(deploymentKind(), decode(t, fmt.Sprintf(
		`{"metadata":{"namespace":"n","name":"web","uid":"u"},"spec":{"template":{"metadata":{"labels":{%q:"shop"},"annotations":%s}}}}`, api.LabelName, raw)))
	if size := row.size(); size > 20<<10 {
		t.Errorf("%d bytes are held of one workload", size)
	}
	p := PodOf(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.LabelApp: "shop"}, Annotations: annotations}})
	if size := p.size(); size > 20<<10 {
		t.Errorf("%d bytes are held of one pod", size)
	}
}

// TestHeldDecidesAlike holds what is kept of a workload to the decision that the
// whole gets, whatever the length of its annotations.
func TestHeldDecidesAlike(t *testing.T) {
	engine := graft.New(graft.Config{Rules: identity.Rules{
		Names: identity.DefaultNames(), Environment: api.DefaultEnvironment,
	}})
	ns := identity.Namespace{Name: "n", Labels: map[string]string{api.LabelInject: api.Enabled, api.LabelSystem: "s"}}
	random := rand.New(rand.NewPCG(1, 2))
	lists := map[string]string{
		"one": "A", "many": strings.TrimSuffix(strings.Repeat("NAME,", 1000), ","), "too many": strings.Repeat("A,", 1000) + "A",
		"long": strings.Repeat("NAME_OF_SOME_LENGTH,", 999) + "B", "empty": strings.Repeat("NAME_OF_SOME_LENGTH,", 900) + ",B",
	}
	values := []string{"", "x", "true", "enabled", "5m", "Delete", "SecretStore/s", "/s/shop/stage/app", strings.Repeat("/x", 30<<10), strings.Repeat("1", 9000) + "m"}
	injected := 0
	for range 2000 {
		pod := identity.Pod{Labels: map[string]string{api.LabelName: "shop"}, Annotations: map[string]string{}}
		for _, key := range []string{
			api.AnnotationParameter, api.AnnotationSecretName, api.AnnotationConfigMapName, api.AnnotationSecrets, api.AnnotationSecretOptional,
			api.AnnotationRefreshInterval, api.AnnotationDeletionPolicy, api.AnnotationSecretStore, api.Group + "/secret",
		} {
			if random.IntN(8) == 0 {
				pod.Annotations[key] = values[random.IntN(len(values))]
			}
		}
		for _, key := range []string{api.AnnotationKeep, api.AnnotationContainers} {
			if random.IntN(2) == 0 {
				names := []string{"one", "many", "too many", "long", "empty"}
				pod.Annotations[key] = lists[names[random.IntN(len(names))]]
			}
		}
		kept := identity.Pod{Labels: pairsOf(pod.Labels, identifies).Map(), Annotations: pairsOf(pod.Annotations, identifies).Map()}
		want, got := engine.Decide(ns, pod), engine.Decide(ns, kept)
		if want.Status == graft.StatusInjected {
			injected++
		}
		if diff := cmp.Diff([]any{want.Status, want.Reason, want.Identity}, []any{got.Status, got.Reason, got.Identity}); diff != "" {
			for key, value := range pod.Annotations {
				t.Logf("%s: %d bytes, begins with %.30q", key, len(value), value)
			}
			t.Fatalf("what is held decides otherwise (-whole +held):\n%s", diff)
		}
	}
	if injected < 100 || injected > 1900 {
		t.Errorf("%d of 2000 are injected: the test looked at little", injected)
	}
}

// TestRolloutWithWorkloadRef is found by the app of the Deployment whose template
// it uses, and follows that.
func TestRolloutWithWorkloadRef(t *testing.T) {
	var changed []client.ObjectKey
	w := newWorkloads(func(app client.ObjectKey) { changed = append(changed, app) }, func(string) func(int, int) { return func(int, int) {} })
	rollout := decode(t, `{"metadata":{"namespace":"n","name":"canary","uid":"r"},"spec":{"workloadRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"web"}}}`)
	deployment := func(app string) *workloadObject {
		return decode(t, `{"metadata":{"namespace":"n","name":"web","uid":"d"},"spec":{"template":{"metadata":{"labels":{"app.kubernetes.io/name":"`+app+`"}}}}}`)
	}
	apps := func(app string) []string {
		var names []string
		for _, row := range w.of(client.ObjectKey{Namespace: "n", Name: app}) {
			names = append(names, row.String()+" of "+row.Identity().Labels[api.LabelName])
		}
		slices.Sort(names)
		return names
	}
	ref := workload.Ref{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Namespace: "n", Name: "canary", UID: "r"}
	if err := w.rollouts().Update(rollout); err != nil {
		t.Fatal(err)
	}
	if w.held(ref) != nil || len(changed) > 0 || len(w.appsIn("n")) > 0 {
		t.Errorf("without its Deployment it has no app, and %v changed", changed)
	}
	for _, app := range []string{"shop", "other"} {
		if err := w.deployments().Update(deployment(app)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"Deployment/web of " + app, "Rollout/canary of " + app}, apps(app)); diff != "" {
			t.Errorf("of %s (-want +got):\n%s", app, diff)
		}
	}
	if len(apps("shop")) != 0 {
		t.Error("it is still of the app that its Deployment left")
	}
	if row := w.held(ref); row == nil || row.Template().Kind != workload.Deployment || row.Template().Name != "web" {
		t.Errorf("held is %v, want its template to be the Deployment's", row)
	}
	changed = nil
	if err := w.rollouts().Delete(rollout); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]client.ObjectKey{{Namespace: "n", Name: "other"}}, changed); diff != "" {
		t.Errorf("its end has these apps reconciled (-want +got):\n%s", diff)
	}
}

// TestTemplateByKind reads the template that pods of the kind are made of, also
// where an author wrote others, as a lax CRD lets them.
func TestTemplateByKind(t *testing.T) {
	const both = `{"metadata":{"namespace":"n","name":"x","uid":"u"},"spec":{` +
		`"template":{"metadata":{"labels":{"app.kubernetes.io/name":"outer"}}},` +
		`"jobTemplate":{"spec":{"template":{"metadata":{"labels":{"app.kubernetes.io/name":"inner"}}}}}}}`
	for _, k := range workload.DeployedKinds() {
		want := "outer"
		if k.Kind == workload.CronJob {
			want = "inner"
		}
		if row := rowOf(k, decode(t, both)); row.appName != want {
			t.Errorf("%s is of app %q, want %q", k.Kind, row.appName, want)
		}
	}
	if row := rowOf(rolloutKind(), decode(t, `{"metadata":{"name":"x"},"spec":{"replicas":"{{ many }}","template":"x"}}`)); row != nil {
		t.Errorf("one that cannot be read is held: %+v", row)
	}
}
