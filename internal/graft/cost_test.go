package graft_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// hostilePod is a pod of one container that stands for what a pod's author may
// write before the API server validates it.
func hostilePod(annotations, name, env string) []byte {
	return []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{` + annotations + `}},` +
		`"spec":{"containers":[{"name":"` + name + `","env":[` + strings.TrimSuffix(env, ",") + `]}]}}`)
}

// TestMemory bounds what a pod can make of its own bytes: each would make some
// hundred times as many if a message repeated what it is about.
func TestMemory(t *testing.T) {
	long := strings.Repeat("c", 40<<10)
	var names strings.Builder
	var keys []string
	for i := range 9900 {
		fmt.Fprintf(&names, `{"name":"V%05d","valueFrom":{}},`, i)
		keys = append(keys, fmt.Sprintf("V%05d", i))
	}
	oddKeys := make([]string, 100000)
	for i := range oddKeys {
		oddKeys[i] = fmt.Sprintf("%06d", i)
	}
	cases := map[string]struct {
		reason    string
		pod       []byte
		parameter []string
		configMap []string
		warnings  int
	}{
		"OneVariableOften": {
			reason:    "10,000 entries of one variable are one warning, without the container's 40 KiB.",
			pod:       hostilePod("", long, strings.Repeat(`{"name":"A","valueFrom":{}},`, 10000)),
			parameter: []string{"A"}, warnings: 1,
		},
		"LongVariable": {
			reason:    "Nor is a variable's name repeated.",
			pod:       hostilePod("", "app", strings.Repeat(`{"name":"`+long+`","valueFrom":{}},`, 10)),
			parameter: []string{long}, warnings: 1,
		},
		"ManyVariables": {
			reason:    "Of 9,900 variables that shadow a key some are named.",
			pod:       hostilePod("", long, names.String()),
			parameter: nil, configMap: keys, warnings: 21,
		},
		"ManyOddKeys": {
			reason:    "100,000 keys that no shell takes are one warning.",
			pod:       hostilePod("", "app", ""),
			configMap: oddKeys, warnings: 1,
		},
	}
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			facts := graft.Facts{
				Parameter: graft.Parameter{State: graft.ParameterFound, Keys: tc.parameter},
				ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound, Keys: tc.configMap},
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			report := engine.Inspect(ns, tc.pod).Graft(facts).Report
			runtime.ReadMemStats(&after)
			if got := len(report.Warnings); got != tc.warnings {
				t.Errorf("%s\n%d warnings, want %d: %.300q", tc.reason, got, tc.warnings, report.Warnings)
			}
			for _, w := range report.Warnings {
				if len(w.Message) > 1024 {
					t.Errorf("%s\na warning of %d bytes", tc.reason, len(w.Message))
				}
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
				t.Errorf("%s\n%d bytes allocated for a pod of %d", tc.reason, used, len(tc.pod))
			}
		})
	}
}

// TestLists denies a list longer than any pod needs: each of its names would be
// looked for while the API server waits.
func TestLists(t *testing.T) {
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	list := func(n int) string { return strings.TrimSuffix(strings.Repeat("app,", n), ",") }
	for _, key := range []string{api.AnnotationKeep, api.AnnotationContainers} {
		for n, want := range map[int]graft.Status{graft.MaxListEntries: graft.StatusInjected, graft.MaxListEntries + 1: graft.StatusDenied} {
			report := engine.Inspect(ns, hostilePod(`"`+key+`":"`+list(n)+`"`, "app", "")).Graft(graft.Facts{}).Report
			if report.Status != want {
				t.Errorf("%s of %d entries: %s %s, want %s", key, n, report.Status, report.Message, want)
			}
			if want == graft.StatusDenied && (!strings.Contains(report.Message, key) || len(report.Message) > 300) {
				t.Errorf("%s: message %.400q", key, report.Message)
			}
		}
	}
}
