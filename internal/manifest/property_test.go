package manifest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	evanphx "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	sigsyaml "sigs.k8s.io/yaml"
)

// TestApplyLikeJSONPatch holds the applier to what an API server would do with
// the same patch.
func TestApplyLikeJSONPatch(t *testing.T) {
	const document = `{"a":{"b":[1,{"c":"x"},[]],"d/e":{},"f~g":null},"h":"text","i":[{"j":1},{"j":2}]}`
	pointers := []string{
		"", "/a", "/a/b", "/a/b/0", "/a/b/1", "/a/b/1/c", "/a/b/2", "/a/b/2/0", "/a/b/2/-", "/a/b/3", "/a/b/-", "/a/b/9", "/a/b/x",
		"/a/d~1e", "/a/d~1e/new", "/a/f~0g", "/a/f~0g/x", "/h", "/h/x", "/i/0/j", "/i/1", "/i/1/new", "/none", "/none/x", "/a/b/01",
	}
	values := []any{"s", 1, 1.5, true, nil, map[string]any{"z": []any{1}, "y": "<"}, []any{}, []any{map[string]string{"n": "yes"}}}
	random := rand.New(rand.NewPCG(1, 2))
	succeeded := 0
	for range 5_000 {
		var operations []jsonpatch.Operation
		for range 1 + random.IntN(3) {
			kind := []string{"add", "replace", "remove"}[random.IntN(3)]
			op := jsonpatch.NewOperation(kind, pointers[random.IntN(len(pointers))], values[random.IntN(len(values))])
			operations = append(operations, op)
		}
		want, wantErr := applyEvanphx(t, document, operations)
		root, err := fromJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range operations {
			if err = apply(root, op); err != nil {
				break
			}
		}
		if (err == nil) != (wantErr == nil) {
			if excused(operations) {
				continue
			}
			t.Fatalf("%v: got error %v, json-patch has %v", operations, err, wantErr)
		}
		if err != nil {
			continue
		}
		succeeded++
		got, err := toJSON(root)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decode(t, want), decode(t, got)); diff != "" {
			t.Fatalf("%v: -json-patch, +got:\n%s", operations, diff)
		}
	}
	if succeeded < 500 {
		t.Errorf("only %d patches applied: the property is not tested", succeeded)
	}
}

// excused are the operations on which the library is laxer or stricter than
// RFC 6902: the whole document, and indexes with leading zeros.
func excused(operations []jsonpatch.Operation) bool {
	for _, op := range operations {
		if op.Path == "" || strings.HasSuffix(op.Path, "/01") {
			return true
		}
	}
	return false
}

func applyEvanphx(t *testing.T, document string, operations []jsonpatch.Operation) ([]byte, error) {
	t.Helper()
	text, err := json.Marshal(operations)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := evanphx.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	options := evanphx.NewApplyOptions()
	options.SupportNegativeIndices = false
	return patch.ApplyWithOptions([]byte(document), options)
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return v
}

// FuzzRoundTrip holds three properties for any text: nothing panics; what is
// not changed comes out as it went in; and a document written again means to
// kubectl's YAML parser what it meant before.
func FuzzRoundTrip(f *testing.F) {
	for _, seed := range []string{
		"a: 1\n---\nb: 2\n", "{\"a\": [1, {\"b\": \"\\ud83d\\ude00\"}]}", "a: &x {b: 1}\nc: {<<: *x, d: 2}\n",
		"# c\na: |\n  text\n  more\nb: >-\n  folded\n  text\n# end\n", "a: yes\non: off\n1: 0x1f\n", "a:\r\n- b\r\n- c: d # e\r\n",
		"kind: Pod\nspec:\n  containers:\n    - name: x\n      env: [{name: A, value: \"1\"}]\n", "a: 'it''s'\nb: \"\\t\\u00e9\"\nc: 2026-01-02\n",
		"? a\n: b\n", "n: 1\ny: [n, Y]\n", "# a\n- x\n", "a:\n  - b: 1 # x\n    # y\n  # z\nc: []\n", "--- {a: 1}\n...\n", "a: !!binary aGVsbG8=\nb: 1_000\nc: 0644\nd: ~\n",
		"0: !!binary 0000 0000", "a: !!binary |\n  aGVs\n  bG8=\n", "a: !!binary >\n  aGVs\n  bG8=\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		documents, err := Parse("fuzz", []byte(text))
		if err != nil {
			return
		}
		var raw []byte
		for _, d := range documents {
			raw = append(raw, d.raw...)
		}
		if want := strings.TrimPrefix(text, "\ufeff"); string(raw) != want {
			t.Fatalf("not byte for byte: %q, want %q", raw, want)
		}
		for _, d := range documents {
			if d.root != nil {
				checkRewritten(t, d)
			}
		}
	})
}

func checkRewritten(t *testing.T, d *Document) {
	t.Helper()
	before, err := toJSON(d.root)
	if err != nil {
		t.Fatalf("a document that was read cannot be JSON: %v", err)
	}
	d.changed = true
	written, err := d.yaml()
	if err != nil {
		t.Fatalf("cannot write %s: %v", before, err)
	}
	written = bytes.TrimPrefix(written, []byte("---\n"))
	expected, err := sigsyaml.YAMLToJSON(written)
	if err != nil {
		t.Fatalf("kubectl could not read %q: %v", written, err)
	}
	if diff := cmp.Diff(evened(decode(t, before)), evened(decode(t, expected))); diff != "" {
		t.Fatalf("to kubectl %q means something else: -before, +after:\n%s", written, diff)
	}
}

// evened evens out that JSON has two zeros.
func evened(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = evened(v[name])
		}
	case []any:
		for i := range v {
			v[i] = evened(v[i])
		}
	case float64:
		return v + 0
	}
	return v
}
