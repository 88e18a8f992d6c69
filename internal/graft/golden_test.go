package graft_test

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

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scenario is a file testdata/NAME.yaml; testdata/NAME.golden.yaml holds what
// comes of it.
type scenario struct {
	Reason    string             `json:"reason"`
	Config    *scenarioConfig    `json:"config"`
	Namespace identity.Namespace `json:"namespace"`
	Facts     graft.Facts        `json:"facts"`
	Pod       json.RawMessage    `json:"pod"`
}

type scenarioConfig struct {
	MissingParameter graft.MissingPolicy `json:"missingParameter"`
	InvalidParameter graft.InvalidPolicy `json:"invalidParameter"`
}

type outcome struct {
	Report     graft.Report    `json:"report"`
	Operations json.RawMessage `json:"operations"`
	Pod        json.RawMessage `json:"pod"`
}

func testConfig() graft.Config {
	return graft.Config{
		Rules:            identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()},
		MissingParameter: graft.MissingWait,
		InvalidParameter: graft.InvalidDeny,
		SkipContainers:   []string{"istio-proxy", "istio-init"},
		ClusterStores:    []string{"aws-ssm"},
		Reload:           true,
	}
}

func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	goldens := map[string]bool{}
	for _, input := range inputs {
		if strings.HasSuffix(input, ".golden.yaml") {
			goldens[input] = true
		}
	}
	ran := 0
	for _, input := range inputs {
		if goldens[input] {
			continue
		}
		golden := strings.TrimSuffix(input, ".yaml") + ".golden.yaml"
		delete(goldens, golden)
		ran++
		t.Run(strings.TrimSuffix(filepath.Base(input), ".yaml"), func(t *testing.T) { checkGolden(t, input, golden) })
	}
	if ran == 0 {
		t.Error("testdata holds no scenario")
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
	config := testConfig()
	if s.Config != nil {
		config.MissingParameter, config.InvalidParameter = s.Config.MissingParameter, s.Config.InvalidParameter
	}
	engine := graft.New(config)

	result := engine.Inspect(s.Namespace, s.Pod).Graft(s.Facts)
	operations, patched := apply(t, s.Pod, result)
	again := engine.Inspect(s.Namespace, patched).Graft(s.Facts)
	if len(again.Operations) > 0 {
		t.Errorf("a second run changes the pod again: %v", again.Operations)
	}

	got, err := yaml.Marshal(outcome{Report: result.Report, Operations: operations, Pod: patched})
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
		t.Fatalf("%v: go test ./internal/graft -update writes it", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s", s.Reason, diff)
	}
}

// apply patches as the API server does and returns patch and document.
func apply(t *testing.T, pod []byte, result graft.Result) (operations, patched []byte) {
	t.Helper()
	operations, err := json.Marshal(result.Operations)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(operations)
	if err != nil {
		t.Fatal(err)
	}
	patched, err = patch.Apply(pod)
	if err != nil {
		t.Fatalf("cannot apply %s: %v", operations, err)
	}
	return operations, patched
}
