package reload

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

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
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	goldens := map[string]bool{}
	var inputs []string
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.yaml") {
			goldens[file] = true
			continue
		}
		inputs = append(inputs, file)
	}
	if len(inputs) == 0 {
		t.Error("testdata holds no scenario")
	}
	for _, input := range inputs {
		golden := strings.TrimSuffix(input, ".yaml") + ".golden.yaml"
		delete(goldens, golden)
		t.Run(strings.TrimSuffix(filepath.Base(input), ".yaml"), func(t *testing.T) { checkGolden(t, input, golden) })
	}
	for extra := range goldens {
		t.Errorf("%s belongs to no scenario: delete it", extra)
	}
}

func checkGolden(t *testing.T, input, golden string) {
	t.Helper()
	data, err := os.ReadFile(input)
	if err != nil {
		t.Fatal(err)
	}
	var s scenario
	if err := yaml.UnmarshalStrict(data, &s); err != nil {
		t.Fatal(err)
	}
	if s.Reason == "" {
		t.Error("a scenario says its reason")
	}
	result := annotated(t, s.Workload, s.Names)
	operations, patched := apply(t, s.Workload, result)
	if again := annotated(t, patched, s.Names); len(again.Operations) > 0 {
		t.Errorf("a second run changes the workload again: %v", again.Operations)
	}
	got, err := yaml.Marshal(outcome{Warnings: result.Warnings, Operations: operations, Workload: patched})
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatalf("%v: go test ./internal/reload -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s", s.Reason, diff)
	}
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

// apply patches as the API server does and returns patch and document.
func apply(t *testing.T, raw []byte, result Result) (operations, patched []byte) {
	t.Helper()
	if len(result.Operations) == 0 {
		return []byte("[]"), raw
	}
	operations, err := json.Marshal(result.Operations)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	patched, err = patch.Apply(raw)
	if err != nil {
		t.Fatalf("cannot apply %s: %v", operations, err)
	}
	return operations, patched
}
