package reload

import (
	"encoding/json"
	"flag"
	"testing"

	"github.com/envgraft/envgraft/test/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// scenario is a file testdata/NAME.yaml; testdata/NAME.golden.yaml holds what
// comes of it.
type scenario struct {
	Reason   string          `json:"reason"`
	Names    Names           `json:"names"`
	Workload json.RawMessage `json:"workload"`
}

type outcome struct {
	Warnings   []string        `json:"warnings,omitempty"`
	Operations json.RawMessage `json:"operations"`
	Workload   json.RawMessage `json:"workload"`
}

func TestGolden(t *testing.T) {
	golden.Run(t, *update, func(t *testing.T, s scenario) (string, any) {
		t.Helper()
		result := annotated(t, s.Workload, s.Names)
		operations, patched := golden.Apply(t, s.Workload, result.Operations)
		if again := annotated(t, patched, s.Names); len(again.Operations) > 0 {
			t.Errorf("a second run changes the workload again: %v", again.Operations)
		}
		return s.Reason, outcome{Warnings: result.Warnings, Operations: operations, Workload: patched}
	})
}

func annotated(t *testing.T, raw []byte, names Names) Result {
	t.Helper()
	w, err := Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	result, err := w.Annotate(names)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
