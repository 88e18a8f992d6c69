package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"gomodules.xyz/jsonpatch/v2"
)

func TestSplice(t *testing.T) {
	add := func(path string, value any) jsonpatch.Operation { return jsonpatch.NewOperation("add", path, value) }
	remove := func(path string) jsonpatch.Operation { return jsonpatch.NewOperation("remove", path, nil) }
	for _, c := range []struct {
		reason, before, after string
		operations            []jsonpatch.Operation
	}{
		{
			"a comment behind the marker and blank lines stay, and a new field stands behind the last",
			"--- # Source: x\n# head\na: 1   # one\n\nm:\n    x:   {y:   1}\n\n    # below\n\nz: 1\n",
			"--- # Source: x\n# head\na: 1   # one\n\nm:\n    x:   {y:   1}\n    k:\n        o:\n          - p\n\n    # below\n\nz: 1\n",
			[]jsonpatch.Operation{add("/m/k", map[string]any{"o": []string{"p"}})},
		},
		{
			"lists stay as they are indented, each its own way",
			"a:\n  - x: 1\n  # two\n  - x: 2\nb:\n- y\n",
			"a:\n  - x: 1\n    z: 3\n  # two\n  - x: 2\nb:\n- y\n- w\n",
			[]jsonpatch.Operation{add("/a/0/z", 3), add("/b/-", "w")},
		},
		{
			"an item goes with its comment, and no other",
			"e:\n# a\n- name: A\n  value: |\n    text\n    # text\n\n# b\n- name: B # c\n  value: x\n# d\n- name: D\n",
			"e:\n# a\n- name: A\n  value: |\n    text\n    # text\n\n# d\n- name: D\n",
			[]jsonpatch.Operation{remove("/e/1")},
		},
		{
			"text of a block is no comment",
			"m:\n  s: |\n    #!/bin/sh\n    # end\n\n# next\nn: 1\n",
			"m:\n  s: |\n    #!/bin/sh\n    # end\n  t: 1\n\n# next\nn: 1\n",
			[]jsonpatch.Operation{add("/m/t", 1)},
		},
		{
			"an item in front of the first and between",
			"e:\n  # a\n  - A\n  - B\n",
			"e:\n  - X\n  # a\n  - A\n  - W\n  - B\n",
			[]jsonpatch.Operation{add("/e/0", "X"), add("/e/2", "W")},
		},
		{
			"a value that is replaced keeps what stands around it",
			"e:\n- name: A\n  # why\n  value: x # loud\n\n  other: 1\n",
			"e:\n- name: A\n\n  other: 1\n  valueFrom:\n    k: v\n",
			[]jsonpatch.Operation{remove("/e/0/value"), add("/e/0/valueFrom", map[string]any{"k": "v"})},
		},
		{
			"the last field of an item",
			"c:\n- image: x\n\n  env:\n  - {name: A,  value: b}\n  # none\n\n- image: y\n",
			"c:\n- image: x\n\n  env:\n  - {name: A,  value: b}\n  - name: B\n  # none\n\n- image: y\n",
			[]jsonpatch.Operation{add("/c/0/env/-", map[string]any{"name": "B"})},
		},
		{
			"the first field of an item holds its dash: the item is written again, the others are not",
			"c:\n- env: []\n  image: x\n\n- image:   y\n",
			"c:\n- image: x\n\n- image:   y\n",
			[]jsonpatch.Operation{remove("/c/0/env")},
		},
		{
			"fields on one line are written again together",
			"a:   1\nm: {labels: {x: y}}\nz:   1\n",
			"a:   1\nm: {labels: {x: y, b: c}}\nz:   1\n",
			[]jsonpatch.Operation{add("/m/labels/b", "c")},
		},
		{"the end of a document stays", "a: 1\n# end\n...\n", "a: 1\nb: 2\n# end\n...\n", []jsonpatch.Operation{add("/b", 2)}},
		{"no line end is added", "a: 1\nb: {}", "a: 1\nb: {}\nc: 1", []jsonpatch.Operation{add("/c", 1)}},
	} {
		documents, err := Parse("in", []byte(c.before))
		if err != nil {
			t.Fatal(err)
		}
		s := &Stream{Documents: documents}
		if err := s.Objects()[0].Apply(c.operations); err != nil {
			t.Fatalf("%s: %v", c.reason, err)
		}
		var out strings.Builder
		if err := s.WriteYAML(&out); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.after, out.String()); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", c.reason, diff)
		}
	}
}

// TestSpliceKeepsLines adds a field to every mapping of the repository's manifests,
// and removes every field, a seventh of them in one run: each line that stays is one of before, in its order.
func TestSpliceKeepsLines(t *testing.T) {
	var files []string
	for _, pattern := range []string{"../cli/testdata/*/*.yaml", "../../deploy/*/*.yaml", "../../deploy/*/*/*.yaml", "../../examples/*/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	checked, rewritten := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents, err := Parse(file, data)
		if err != nil {
			continue // a template of the chart
		}
		for i, d := range documents {
			if d.root == nil || len(d.raw) > 20_000 {
				continue
			}
			for n, op := range changesOf(d.root, "") {
				if n%7 != i%7 {
					continue
				}
				again, err := Parse(file, data)
				if err != nil {
					t.Fatal(err)
				}
				d := again[i]
				if err := (Object{Document: d, node: d.root}).Apply([]jsonpatch.Operation{op}); err != nil {
					if d.twice != nil {
						continue
					}
					t.Fatalf("%s: %v: %v", file, op, err)
				}
				want, err := toJSON(d.root)
				if err != nil {
					t.Fatal(err)
				}
				checked++
				spliced, ok := d.splice()
				if !ok || !means(spliced, want) {
					rewritten++ // as where an alias refers to what changed
					continue
				}
				checkLines(t, file, op, string(documents[i].raw), string(spliced))
			}
		}
	}
	t.Logf("%d changes, %d of them rewrote the document", checked, rewritten)
	if checked < 300 || rewritten > checked/10 {
		t.Errorf("%d changes, %d of them rewrote the document: too few are spliced", checked, rewritten)
	}
}

// changesOf are an addition to each mapping that is not on one line, and a removal
// of each of its fields.
func changesOf(n *yaml.Node, pointer string) []jsonpatch.Operation {
	var all []jsonpatch.Operation
	if n.Style&yaml.FlowStyle != 0 || n.Column == 0 || len(n.Content) == 0 {
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		all = append(all, jsonpatch.NewOperation("add", pointer+"/zz-new", "x"))
		for i := 0; i < len(n.Content); i += 2 {
			name, err := nameOf(n.Content[i])
			if err != nil {
				continue
			}
			inner := pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			all = append(append(all, jsonpatch.NewOperation("remove", inner, nil)), changesOf(n.Content[i+1], inner)...)
		}
	case yaml.SequenceNode:
		all = append(all, jsonpatch.NewOperation("add", pointer+"/-", "zz-new"))
		for i, c := range n.Content {
			inner := pointer + "/" + strconv.Itoa(i)
			all = append(append(all, jsonpatch.NewOperation("remove", inner, nil)), changesOf(c, inner)...)
		}
	default: // nothing can be added within
	}
	return all
}

// checkLines fails where a line of after is neither new nor one of before, but for
// the one entry that had to be written again.
func checkLines(t *testing.T, file string, op jsonpatch.Operation, before, after string) {
	t.Helper()
	have := strings.Split(before, "\n")
	strange := 0
	for line := range strings.SplitSeq(after, "\n") {
		if at := slices.Index(have, line); at >= 0 {
			have = have[at+1:]
		} else if !strings.Contains(line, "zz-new") {
			strange++
		}
	}
	if op.Operation == "add" && strange > 0 {
		t.Errorf("%s: %s %s changed %d other lines:\n%s", file, op.Operation, op.Path, strange, after)
	}
}
