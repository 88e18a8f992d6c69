package facts

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/graft"
)

func TestValue(t *testing.T) {
	dir := t.TempDir()
	directory, err := OpenDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = directory.Close() }()
	for name, tc := range map[string]struct {
		reason string
		text   string
		state  graft.ParameterState
		want   map[string]string
	}{
		"Strings":  {"Strings lose their quotes and escapes.", `{"A":"x\ny","B":""}`, graft.ParameterFound, map[string]string{"A": "x\ny", "B": ""}},
		"Others":   {"Anything else is its JSON text, as it was written.", `{"N":1.50,"T":true,"O":{"a": [1]},"Z":null}`, graft.ParameterFound, map[string]string{"N": "1.50", "T": "true", "O": `{"a": [1]}`, "Z": ""}},
		"Keys":     {"Keys are the Secret's; an empty one is dropped.", `{"MY KEY":"x","":"y"}`, graft.ParameterFound, map[string]string{"MY_KEY": "x"}},
		"Empty":    {"A placeholder has no values.", `{}`, graft.ParameterEmpty, nil},
		"List":     {"A list makes no Secret.", `["x"]`, graft.ParameterNotObject, nil},
		"Collides": {"Keys that become one make no Secret.", `{"A B":"x","A_B":"y"}`, graft.ParameterNotObject, nil},
		"Text":     {"Text is no JSON.", `hunter2`, graft.ParameterInvalidJSON, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "p.json"), []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := directory.Value(t.Context(), "/p")
			if got.State != tc.state {
				t.Errorf("%s\nthe state is %q, want %q", tc.reason, got.State, tc.state)
			}
			if diff := cmp.Diff(tc.want, got.Data); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
			if keys := slices.Sorted(maps.Keys(got.Data)); !cmp.Equal(keys, got.Keys) && got.Data != nil {
				t.Errorf("the data has keys %q, and the webhook would know %q", keys, got.Keys)
			}
		})
	}
	if got := directory.Value(t.Context(), "/other"); got.State != graft.ParameterNotFound {
		t.Errorf("a file that does not exist is %q", got.State)
	}
}
