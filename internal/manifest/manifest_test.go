package manifest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
)

func read(t *testing.T, text string) *manifest.Stream {
	t.Helper()
	stream, err := manifest.Read(manifest.Options{Paths: []string{manifest.Stdin}, Stdin: strings.NewReader(text)})
	if err != nil {
		t.Fatalf("Read(%q): %v", text, err)
	}
	return stream
}

func writeYAML(t *testing.T, stream *manifest.Stream) string {
	t.Helper()
	var out bytes.Buffer
	if err := stream.WriteYAML(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestUnchangedIsByteForByte(t *testing.T) {
	for name, tc := range map[string]struct{ reason, text, want string }{
		"Comments":   {"comments around documents and markers are nobody's to move", "# a\n\n---\n# b\na: 1 # c\n\n---   # d\nb:   {x:   2}\n# e\n", ""},
		"Empty":      {"documents that hold nothing are no error", "---\n---\n\n---\n# only a comment\n", ""},
		"Nothing":    {"an empty file neither", "", ""},
		"Windows":    {"line ends are the author's", "a: 1\r\n---\r\nb: 2\r\n", ""},
		"NoNewline":  {"nor is the last one ours to add", "a: 1\n---\nb: 2", ""},
		"Mark":       {"the mark of Windows' editors would be a control character to others", "\ufeffa: 1\n", "a: 1\n"},
		"Dots":       {"a document may end explicitly", "a: 1\n...\nb: 2\n...\n", ""},
		"BlockDash":  {"dashes inside of a block scalar are text", "a: |\n  ---\n  x\nb: '--- y'\n", ""},
		"Inline":     {"a document may start on the line of its marker", "--- {a: 1}\n--- {b: 2}\n", ""},
		"JSON":       {"JSON stays JSON", "{\"a\": 1,\n\t\"b\": [1.10, 123456789012345678901234567890]}\n", ""},
		"JSONRow":    {"a row of JSON values becomes a stream", "{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}\n---\n\n{\"b\":2}\n"},
		"Surrogates": {"jq escapes what YAML's escapes cannot say", `{"a":"\ud83d\ude00"}`, ""},
		"Anchors":    {"anchors stay where nothing changes", "x: &x {a: 1}\ny: *x\nz: {<<: *x}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			want := tc.want
			if want == "" {
				want = tc.text
			}
			if diff := cmp.Diff(want, writeYAML(t, read(t, tc.text))); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	for name, tc := range map[string]struct{ reason, text, want string }{
		"Syntax":     {"of the second document", "a: 1\n---\nb: [1\n", "standard input:3: did not find expected ',' or ']'"},
		"Tab":        {"the parser's own words leave people searching", "a:\n\tb: 1\n", "standard input:2: found character that cannot start any token: indent with spaces, YAML takes no tabs"},
		"List":       {"no object", "- a\n- b\n", "standard input:1: the document is a list: a Kubernetes object is a mapping of fields"},
		"Scalar":     {"no object", "---\nhello\n", "standard input:2: the document is a single value: a Kubernetes object is a mapping of fields"},
		"Infinity":   {"JSON has none", "a: .inf\n", "standard input:1: .inf is no number that JSON can say"},
		"Tag":        {"no type of Kubernetes' own", "a: !mine x\n", `standard input:1: YAML tag "!mine" means nothing to Kubernetes`},
		"Binary":     {"kubectl's parser skips line ends alone", "a: !!binary aGVs bG8=\n", "standard input:1: cannot decode !!binary: illegal base64 data at input byte 4"},
		"NullKey":    {"kubectl refuses it", "~: 1\n", "standard input:1: the name of a field must be a string"},
		"SelfAnchor": {"it would never end", "a: &x\n  b: *x\n", `standard input:2: anchor "x" contains itself`},
		"Merge":      {"only mappings merge", "a: {<<: 1}\n", `standard input:1: "<<" merges mappings only`},
		"Encoding":   {"bytes of another encoding", "a: 1\nb: \xff\n", "standard input:2: not UTF-8: save the file in that encoding"},
		"AllAtOnce":  {"every mistake is named", "a: [\n---\n- b\n", "standard input:2: did not find expected node content\nstandard input:3: the document is a list: a Kubernetes object is a mapping of fields"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifest.Read(manifest.Options{Paths: []string{manifest.Stdin}, Stdin: strings.NewReader(tc.text)})
			if err == nil {
				t.Fatalf("%s: no error", tc.reason)
			}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestDuplicates has a field that stands twice stop nothing but a change: kubectl
// and the API server take it.
func TestDuplicates(t *testing.T) {
	for _, c := range []struct{ reason, text, want string }{
		{"nested", "a: 1\nmetadata:\n  c: 1\n  c: 2\n", `standard input:4: field "c" is there twice`},
		{"in JSON", "{\"metadata\": {\"c\": 1},\n \"metadata\": {\"c\": 2}}", `standard input:2: field "metadata" is there twice`},
		{"lines count through the file", "---\n\n---\nmetadata: {c: 1}\n\"metadata\": {c: 2}\n", `standard input:5: field "metadata" is there twice`},
	} {
		stream := read(t, c.text)
		if diff := cmp.Diff(c.text, writeYAML(t, stream)); diff != "" {
			t.Errorf("%s: what does not change comes out as it is: %s", c.reason, diff)
		}
		object := stream.Objects()[0]
		raw, err := object.JSON()
		if err != nil || !strings.Contains(string(raw), `"c":2`) || strings.Contains(string(raw), `"c":1`) {
			t.Errorf("%s: the last one counts, got %s, %v", c.reason, raw, err)
		}
		if err := object.Apply(nil); err != nil {
			t.Errorf("%s: no change is refused: %v", c.reason, err)
		}
		err = object.Apply([]jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata/d", 1)})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got error %v, want %s", c.reason, err, c.want)
		}
	}
}

func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		prev := "*a" + string(rune('a'+i-1))
		if i == 1 {
			prev = "*a0"
		}
		b.WriteString("b" + string(rune('a'+i)) + ": &a" + string(rune('a'+i)) + " [" + strings.Repeat(prev+",", 10) + "]\n")
	}
	_, err := manifest.Parse("bomb", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "aliases stand for more than") {
		t.Errorf("a bomb of aliases: %v, want a refusal", err)
	}
}

const workloads = `apiVersion: v1
kind: Pod
metadata: {generateName: a-, namespace: one, labels: {x: z}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: b}
spec: {template: {metadata: {labels: {app: b}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: c}
spec: {jobTemplate: {spec: {template: {spec: {containers: []}}}}}
---
apiVersion: batch.volcano.sh/v1alpha1
kind: Job
metadata: {name: foreign}
spec: {template: {}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kustomize-patch}
spec: {replicas: 3}
---
apiVersion: v1
kind: List
items:
- apiVersion: batch/v1
  kind: Job
  metadata: {name: d}
  spec: {template: {}}
- apiVersion: v1
  kind: List
  items:
  - apiVersion: apps/v1
    kind: StatefulSet
    metadata: {name: e}
    spec: {template: {}}
---
apiVersion: apps/v1
kind: DaemonSetList
items:
- metadata: {name: f}
  spec: {template: {}}
---
apiVersion: v1
kind: PodList
items:
- metadata: {name: g}
`

func TestTemplates(t *testing.T) {
	var got []string
	for _, template := range read(t, workloads).Templates() {
		raw, err := template.JSON()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, template.Kind+" "+template.Namespace+"/"+template.Name+" "+string(raw))
	}
	want := []string{
		`Pod one/a- {"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"a-","namespace":"one","labels":{"x":"z"}}}`,
		`Deployment /b {"metadata":{"labels":{"app":"b"}}}`,
		`CronJob /c {"spec":{"containers":[]}}`,
		`Job /d {}`,
		`StatefulSet /e {}`,
		`DaemonSet /f {}`,
		`Pod /g {"metadata":{"name":"g"}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestApplyTouchesOnlyWhatChanges(t *testing.T) {
	const before = `# the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop # its name
  labels: &labels
    app: shop
    tier: "yes"
spec:
  futureField: {a: [1, 2], version: 1.10}
  template:
    metadata:
      labels:
        <<: *labels
    spec:
      containers:
      # the main one
      - name: shop
        env:
        - name: DEBUG # loud
          value: "on"
        args: []
# the end
`
	const after = `# the shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop # its name
  labels: &labels
    app: shop
    tier: "yes"
spec:
  futureField: {a: [1, 2], version: 1.10}
  template:
    metadata:
      labels:
        app: shop
        tier: "yes"
        envgraft.dev/app: shop
    spec:
      containers:
      # the main one
      - name: shop
        env:
        - name: DEBUG # loud
          valueFrom:
            secretKeyRef:
              key: "on"
              name: shop-secrets
        args:
        - --serve
# the end
`
	for name, convert := range map[string]func(string) string{
		"Unix":    func(s string) string { return s },
		"Windows": func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			stream := read(t, convert(before))
			err := stream.Templates()[0].Apply([]jsonpatch.Operation{
				jsonpatch.NewOperation("remove", "/spec/containers/0/env/0/value", nil),
				jsonpatch.NewOperation("add", "/spec/containers/0/env/0/valueFrom", map[string]any{
					"secretKeyRef": map[string]any{"name": "shop-secrets", "key": "on"},
				}),
				jsonpatch.NewOperation("add", "/spec/containers/0/args/-", "--serve"),
				jsonpatch.NewOperation("add", "/metadata/labels/envgraft.dev~1app", "shop"),
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(convert(after), writeYAML(t, stream)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestChangedJSONBecomesYAML(t *testing.T) {
	stream := read(t, `{"kind":"Pod","apiVersion":"v1","metadata":{"labels":{"a":"no"}},"big":12345678901234567890123,"s":"1:20"}`)
	if err := stream.Templates()[0].Apply([]jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata/labels/b", "yes")}); err != nil {
		t.Fatal(err)
	}
	want := "kind: Pod\napiVersion: v1\nmetadata:\n  labels:\n    a: \"no\"\n    b: \"yes\"\nbig: 12345678901234567890123\ns: \"1:20\"\n"
	if diff := cmp.Diff(want, writeYAML(t, stream)); diff != "" {
		t.Errorf("strings that YAML 1.1 reads as something else must be quoted: -want, +got:\n%s", diff)
	}
}

func TestWriteJSON(t *testing.T) {
	stream := read(t, "kind: A\nnumber: 1.10\nhex: 0x1F\nold: yes\ntime: 2026-01-02\n1: <&>\n---\n# nothing\n---\nkind: List\nitems: [{kind: B}, {kind: List, items: [{kind: C}]}]\n")
	var out bytes.Buffer
	if err := stream.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	want := `{
  "apiVersion": "v1",
  "kind": "List",
  "items": [
    {
      "kind": "A",
      "number": 1.10,
      "hex": 31,
      "old": true,
      "time": "2026-01-02",
      "1": "<&>"
    },
    {
      "kind": "B"
    },
    {
      "kind": "C"
    }
  ]
}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestFacts(t *testing.T) {
	stream := read(t, `{apiVersion: v1, kind: Namespace, metadata: {name: one, labels: {a: b}, annotations: {c: d}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config, namespace: one}, data: {B: "1", A: "2"}, binaryData: {C: eA==}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: two}}
---
{apiVersion: example.org/v1, kind: ConfigMap, metadata: {name: foreign}}
`)
	want := facts.Static{
		Namespaces: map[string]identity.Namespace{"one": {Name: "one", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}}},
		ConfigMaps: map[types.NamespacedName][]string{
			{Namespace: "one", Name: "config"}: {"A", "B"},
			{Namespace: "given", Name: "two"}:  {},
		},
	}
	if diff := cmp.Diff(want, stream.Facts("given")); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"b.yml":                 "kind: B\n",
		"a/z.yaml":              "kind: A\n",
		"a/x.json":              `{"kind":"X"}`,
		"notes.md":              "no manifest: [",
		"parameters/p/app.json": `{"PASSWORD":"hunter2"}`,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := manifest.Read(manifest.Options{Paths: []string{dir}, Exclude: filepath.Join(dir, "a", "..", "parameters")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("{\"kind\":\"X\"}\n---\nkind: A\n---\nkind: B\n", writeYAML(t, stream)); diff != "" {
		t.Errorf("lexical order, without the parameters: -want, +got:\n%s", diff)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file or directory",
		t.TempDir():                "holds no *.yaml, *.yml or *.json",
	} {
		if _, err := manifest.Read(manifest.Options{Paths: []string{path}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Read(%q): %v, want an error with %q", path, err, want)
		}
	}
}
