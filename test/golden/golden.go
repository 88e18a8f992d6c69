// Package golden runs the scenarios of a package: each testdata/NAME.yaml goes
// in, and testdata/NAME.golden.yaml holds what must come out.
package golden

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	evanphx "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	"sigs.k8s.io/yaml"
)

// Run checks every scenario, and that no golden file is left over. With update
// it rewrites the golden files. check returns the scenario's reason and its
// outcome, which is written as YAML.
func Run[S any](t *testing.T, update bool, check func(t *testing.T, scenario S) (reason string, outcome any)) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const suffix = ".golden.yaml"
	goldens := map[string]bool{}
	var inputs []string
	for _, file := range files {
		if strings.HasSuffix(file, suffix) {
			goldens[file] = true
			continue
		}
		inputs = append(inputs, file)
	}
	if len(inputs) == 0 {
		t.Error("testdata holds no scenario")
	}
	for _, input := range inputs {
		name := strings.TrimSuffix(input, ".yaml")
		delete(goldens, name+suffix)
		t.Run(filepath.Base(name), func(t *testing.T) {
			var scenario S
			read(t, input, &scenario)
			reason, outcome := check(t, scenario)
			if reason == "" {
				t.Error("a scenario says its reason")
			}
			compare(t, name+suffix, update, reason, outcome)
		})
	}
	for extra := range goldens {
		t.Errorf("%s belongs to no scenario: delete it", extra)
	}
}

func read(t *testing.T, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, to); err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, file string, update bool, reason string, outcome any) {
	t.Helper()
	got, err := yaml.Marshal(outcome)
	if err != nil {
		t.Fatal(err)
	}
	if update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: go test -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s", reason, diff)
	}
}

// Apply patches a document as the API server does, and returns the patch as it
// goes over the wire and the document that comes of it.
func Apply(tb testing.TB, document []byte, operations []jsonpatch.Operation) (wire, patched []byte) {
	tb.Helper()
	if len(operations) == 0 {
		return []byte("[]"), document
	}
	wire, err := json.Marshal(operations)
	if err != nil {
		tb.Fatal(err)
	}
	patch, err := evanphx.DecodePatch(wire)
	if err != nil {
		tb.Fatal(err)
	}
	patched, err = patch.Apply(document)
	if err != nil {
		tb.Fatalf("cannot apply %s: %v", wire, err)
	}
	return wire, patched
}
