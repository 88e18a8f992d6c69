package graft_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/test/golden"
)

// benchPod is a pod whose containers have ten literals each, two of which shadow
// a key.
func benchPod(containers int, labels string) []byte {
	var list []string
	for i := range containers {
		var env []string
		for v := range 10 {
			env = append(env, fmt.Sprintf(`{"name":"VAR_%d","value":"value of variable %d"}`, v, v))
		}
		list = append(list, fmt.Sprintf(`{"name":"app-%d","image":"registry.example.com/shop/app:1.2.3","env":[%s],`+
			`"resources":{"limits":{"memory":"256Mi"}},"volumeMounts":[{"name":"token","readOnly":true,"mountPath":"/var/run/secrets"}]}`,
			i, strings.Join(env, ",")))
	}
	return []byte(`{"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"myapp-","labels":{"app.kubernetes.io/name":"myapp"` + labels +
		`}},"spec":{"containers":[` + strings.Join(list, ",") + `],"restartPolicy":"Always"}}`)
}

func benchFacts() graft.Facts {
	return graft.Facts{
		Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"API_KEY", "DATABASE_URL", "VAR_3"}},
		ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound, Keys: []string{"LOG_LEVEL", "VAR_5"}},
	}
}

// BenchmarkEngine measures the engine alone, by pods that are injected for the
// first time, that are injected already, and that are left alone.
func BenchmarkEngine(b *testing.B) {
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	engine, facts := graft.New(testConfig()), benchFacts()
	for _, containers := range []int{1, 10, 100} {
		first := benchPod(containers, "")
		_, again := golden.Apply(b, first, engine.Inspect(ns, first).Graft(facts).Operations)
		for _, of := range []struct {
			name string
			pod  []byte
			want graft.Status
		}{
			{"injected", first, graft.StatusInjected},
			{"already", again, graft.StatusInjected},
			{"skipped", benchPod(containers, `,"`+api.LabelInject+`":"`+api.Disabled+`"`), graft.StatusSkipped},
		} {
			b.Run(fmt.Sprintf("pod=%s/containers=%d", of.name, containers), func(b *testing.B) {
				b.SetBytes(int64(len(of.pod)))
				b.ReportAllocs()
				for b.Loop() {
					result := engine.Inspect(ns, of.pod).Graft(facts)
					if result.Report.Status != of.want || of.name != "injected" && len(result.Operations) > 0 {
						b.Fatalf("got %s and operations %v", result.Report.Status, result.Operations)
					}
				}
			})
		}
	}
}

// TestSkippedPodsAreNotRead holds that of a pod that is left alone nothing is
// built but what its metadata says, however many containers it has.
func TestSkippedPodsAreNotRead(t *testing.T) {
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	engine := graft.New(testConfig())
	allocations := func(containers int) float64 {
		pod := benchPod(containers, `,"`+api.LabelInject+`":"`+api.Disabled+`"`)
		return testing.AllocsPerRun(100, func() {
			if status := engine.Inspect(ns, pod).Graft(graft.Facts{}).Report.Status; status != graft.StatusSkipped {
				t.Fatalf("got %s", status)
			}
		})
	}
	// A container that is read costs one allocation at least. The slack is for
	// pools, which the race detector and the garbage collector empty at will.
	const slack = 10
	if few, many := allocations(1), allocations(100); many > few+slack {
		t.Errorf("%.0f allocations with one container, %.0f with 100", few, many)
	}
}
