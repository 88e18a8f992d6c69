package webhook

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// ownedPod is a pod that a ReplicaSet made; another owner comes first.
const ownedPod = `{"metadata":{"generateName":"web-7d9-","labels":{"app.kubernetes.io/name":"web"},"ownerReferences":[` +
	`{"apiVersion":"v1","kind":"ConfigMap","name":"other","uid":"u0"},` +
	`{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-7d9","uid":"u1","controller":true}]},"spec":{"containers":[{"name":"app"}]}}`

// TestPodsNotify wants owners told, but not of what never was, and the log to
// name a pod that has no name yet.
func TestPodsNotify(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*admission.Request)
		want   []string
	}{
		"Owned":  {reason: "Its ReplicaSet stands for the workload.", want: []string{"ReplicaSet/web-7d9"}},
		"DryRun": {reason: "A dry run writes nothing.", change: func(r *admission.Request) { r.DryRun = new(true) }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, log := world{configMap: graft.ConfigMap{State: graft.ConfigMapNotFound}}, &strings.Builder{}
			w.handler(log).Handle(t.Context(), podReview(func(r *admission.Request) {
				r.Object.Raw = []byte(ownedPod)
				if tc.change != nil {
					tc.change(r)
				}
			}))
			if diff := cmp.Diff(tc.want, w.noticed); diff != "" {
				t.Errorf("%s\nnoticed: -want, +got:\n%s", tc.reason, diff)
			}
			for _, want := range []string{`"generateName"="web-7d9-"`, `"owner"="ReplicaSet/web-7d9"`, `"uid"="u1"`} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log lacks %s:\n%s", want, log)
				}
			}
		})
	}
}

func TestOriginOf(t *testing.T) {
	many := `{"metadata":{"ownerReferences":[` + strings.Repeat(`{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"a","uid":"u"},`, 1000) +
		`{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","uid":"u","controller":true}]}}`
	for reason, raw := range map[string]string{
		"no JSON":                      `{`,
		"no pod":                       `{"metadata":3}`,
		"owners that are none":         `{"metadata":{"ownerReferences":{"a":1}}}`,
		"nobody who controls":          `{"metadata":{"ownerReferences":[{"kind":"ReplicaSet","name":"a","uid":"u"}]}}`,
		"more owners than anyone has":  many,
		"names in another letter case": `{"metadata":{"OwnerReferences":[{"kind":"ReplicaSet","name":"a","uid":"u","controller":true}]}}`,
	} {
		if got := originOf([]byte(raw)); got.owner() != "" {
			t.Errorf("%s: owner %q", reason, got.owner())
		}
	}
}

// TestSeriesDoNotGrow has authors write all that they like into their pods: it
// must not end in label values.
func TestSeriesDoNotGrow(t *testing.T) {
	registry := prometheus.NewRegistry()
	w := world{parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"A"}}, configMap: graft.ConfigMap{State: graft.ConfigMapNotFound}}
	handler := w.handler(&strings.Builder{})
	handler.Metrics = metrics.New(registry)
	series := func() int {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range families {
			n += len(f.GetMetric())
		}
		return n
	}
	hostile := func(i int) {
		for _, pod := range []string{
			`{"metadata":{"name":"p-%[1]d","labels":{"app.kubernetes.io/name":"app-%[1]d"}},"spec":{"containers":[{"name":"c-%[1]d","env":[{"name":"A","valueFrom":{}}]}]}}`,
			`{"metadata":{"labels":{"envgraft.dev/app":"a","envgraft.dev/system":"s-%[1]d"}}}`,
			`{"metadata":{"labels":{"envgraft.dev/app":"a","envgraft.dev/environment":"e-%[1]d"}}}`,
			`{"metadata":{"labels":{"envgraft.dev/inject":"v-%[1]d"}}}`,
			`{"metadata":{"labels":{"envgraft.dev/app":"a"},"annotations":{"envgraft.dev/keep":",%[1]d"}}}`,
			`{"spec":{"containers":%[1]d}}`,
			`{"metadata":{}}`,
		} {
			handler.Handle(t.Context(), podReview(func(r *admission.Request) {
				r.Namespace = fmt.Sprint("ns-", i)
				r.Object.Raw = fmt.Appendf(nil, pod, i)
			}))
		}
	}
	hostile(0)
	before := series()
	for i := range 200 {
		hostile(i + 1)
	}
	if after := series(); after != before {
		t.Errorf("%d series grew to %d", before, after)
	}
}
