package reload

import (
	"runtime"
	"strings"
	"testing"
)

// TestReadIsBounded holds what a workload's reading takes to its length.
func TestReadIsBounded(t *testing.T) {
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	cases := map[string]struct {
		reason, raw string
		refused     bool
	}{
		"Containers":    {"The pod template's containers are nobody's here.", `{"spec":{"template":{"spec":{"containers":[` + list("{}", 700000) + `]}}}}`, false},
		"Labels":        {"Labels are decoded.", `{"metadata":{"labels":{` + list(`"a":""`, 300000) + `}}}`, true},
		"Annotations":   {"So are annotations.", `{"spec":{"template":{"metadata":{"annotations":{` + list(`"a":""`, 300000) + `}}}}}`, true},
		"ManagedFields": {"So are managed fields.", `{"metadata":{"managedFields":[` + list(`{}`, 700000) + `]}}`, true},
		"Selector":      {"So is the selector.", `{"spec":{"selector":{"matchExpressions":[` + list(`{}`, 700000) + `]}}}`, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			raw := []byte(tc.raw)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w, err := Read(raw)
			if err == nil {
				_, err = w.Template()
			}
			runtime.ReadMemStats(&after)
			if (err != nil) != tc.refused {
				t.Errorf("%s\ngot %v", tc.reason, err)
			}
			// A template is copied, by a buffer that grows.
			if used := after.TotalAlloc - before.TotalAlloc; used > 8*uint64(len(raw)) {
				t.Errorf("%s\n%d bytes for %d", tc.reason, used, len(raw))
			}
		})
	}
}
