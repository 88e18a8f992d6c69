package externalsecret

import (
	"encoding/json"
	"testing"
)

func TestExtract(t *testing.T) {
	applied, err := json.Marshal(Extracting("/a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason, dataFrom string
		data             []Data
		only             bool
		sole             string
	}{
		{"what is applied", string(applied), nil, true, "/a"},
		{"what was applied where nothing fills in the defaults", `[{"extract":{"key":"/a"}}]`, nil, false, "/a"},
		{"some defaults written out", `[{"extract":{"key":"/a","decodingStrategy":"None"}}]`, nil, false, "/a"},
		{"another parameter", `[{"extract":{"key":"/b","conversionStrategy":"Default","decodingStrategy":"None","metadataPolicy":"None"}}]`, nil, false, "/b"},
		{"keys under other names", `[{"extract":{"key":"/a","conversionStrategy":"Unicode"}}]`, nil, false, ""},
		{"other values", `[{"extract":{"key":"/a","decodingStrategy":"Base64"}}]`, nil, false, ""},
		{"the parameter's tags", `[{"extract":{"key":"/a","metadataPolicy":"Fetch"}}]`, nil, false, ""},
		{"a part of it", `[{"extract":{"key":"/a","property":"b"}}]`, nil, false, ""},
		{"an older version", `[{"extract":{"key":"/a","version":"1"}}]`, nil, false, ""},
		{"keys under names that are rewritten", `[{"extract":{"key":"/a"},"rewrite":[{"regexp":{}}]}]`, nil, false, ""},
		{"from a store of its own", `[{"extract":{"key":"/a"},"sourceRef":{"storeRef":{"name":"b"}}}]`, nil, false, ""},
		{"two sources", `[{"extract":{"key":"/a"}},{"extract":{"key":"/b"}}]`, nil, false, ""},
		{"all that is found", `[{"find":{"path":"/a"}}]`, nil, false, ""},
		{"nothing", `[]`, nil, false, ""},
		{"a person's key beside it", string(applied), []Data{{SecretKey: "KEY"}}, false, ""},
	} {
		e := &ExternalSecret{Spec: Spec{Data: test.data}}
		if err := json.Unmarshal([]byte(test.dataFrom), &e.Spec.DataFrom); err != nil {
			t.Fatalf("%s: %v", test.reason, err)
		}
		if got := e.Spec.ExtractsOnly("/a"); got != test.only {
			t.Errorf("%s: it is taken for ours: %t", test.reason, got)
		}
		if got := e.SoleParameter(); got != test.sole {
			t.Errorf("%s: its keys are those of %q, want %q", test.reason, got, test.sole)
		}
	}
	templated := &ExternalSecret{}
	if err := json.Unmarshal([]byte(`{"spec":{"target":{"template":{"data":{"KEY":"{{ .KEY }}"}}},"dataFrom":[{"extract":{"key":"/a"}}]}}`), templated); err != nil {
		t.Fatal(err)
	}
	if got := templated.SoleParameter(); got != "" {
		t.Errorf("a template makes other keys than those of %q", got)
	}
}
