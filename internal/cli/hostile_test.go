package cli_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/internal/manifest"
)

// hostile is what a stranger appends to a name: an escape sequence, and line
// ends behind which a pipeline would obey what follows.
const hostile = "\x1b[2J\u009b31m\r\u0085\u2028\n::error::pwned\n##[error]pwned\n##vso[task.complete]pwned\x7f"

// readObjects reads manifests as an API server would have them.
func readObjects(t *testing.T, file string) []map[string]any {
	t.Helper()
	stream, err := manifest.Read(manifest.Options{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	for _, o := range stream.Objects() {
		raw, err := o.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, object)
	}
	return objects
}

// everyString calls change for each string of an object, and each key of a map
// that its author fills, with a function that makes it hostile. Those at the same
// place of a list's items count once.
func everyString(object map[string]any, change func(place string, set func(), reset func())) {
	seen := map[string]bool{}
	var walk func(value any, place string, set func(any))
	walk = func(value any, place string, set func(any)) {
		switch v := value.(type) {
		case string:
			if !seen[place] && place != ".kind" && place != ".apiVersion" {
				seen[place] = true
				change(place, func() { set(v + hostile) }, func() { set(v) })
			}
		case []any:
			for i := range v {
				walk(v[i], place+"[]", func(n any) { v[i] = n })
			}
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				inner := place + "." + key
				walk(v[key], inner, func(n any) { v[key] = n })
				if parent := place[strings.LastIndex(place, ".")+1:]; slices.Contains([]string{"labels", "annotations", "data", "matchLabels", "f:data"}, parent) && !seen[inner+"="] {
					seen[inner+"="] = true
					change(inner+"=", func() { v[key+hostile] = v[key]; delete(v, key) }, func() { v[key] = v[key+hostile]; delete(v, key+hostile) })
				}
			}
		}
	}
	walk(object, "", nil)
}

// checkObeyed fails where a terminal or a pipeline would obey an output.
func checkObeyed(t *testing.T, what string, r result) {
	t.Helper()
	for name, text := range map[string]string{"standard output": r.stdout, "standard error": r.stderr} {
		if at := strings.IndexAny(text, "\x1b\u009b\r\x7f\u0085\u2028"); at >= 0 {
			t.Errorf("%s: %s holds a control character: %q", what, name, text[max(0, at-60):min(len(text), at+60)])
		}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") {
				t.Errorf("%s: a line of %s is obeyed by a pipeline: %q", what, name, line)
			}
		}
	}
}

// hostileCase is a command line that reads what strangers wrote.
type hostileCase struct {
	args string
	// cluster is for one that asks an API server, file for one that reads FILE.
	cluster, file bool
	// comments is for one whose output is the manifests of its author, with
	// comments in front.
	comments bool
}

func hostileCases() map[string][]hostileCase {
	return map[string][]hostileCase{
		"inject":  {{args: "-f FILE -o json", file: true}},
		"explain": {{args: "deploy/shop -n shop", cluster: true}, {args: "-f FILE", file: true}, {args: "-f FILE -o yaml", file: true}, {args: "-f FILE -o name", file: true}},
		"doctor":  {{args: "deploy/shop -n shop", cluster: true}},
		"status":  {{args: "-A", cluster: true}, {args: "-A -o json", cluster: true}},
		"diff":    {{args: "-f FILE -n popapps", cluster: true, file: true}},
		"import":  {{args: "deploy/shop -n shop", cluster: true, comments: true}, {args: "-f FILE", file: true, comments: true}},
		// A container that is not there: neither runs a command, nor writes values, which
		// are as they are.
		"run":                 {{args: "deploy/shop -n shop -c none -- true", cluster: true}, {args: "-f FILE -c none -- true", file: true}},
		"export":              {{args: "deploy/shop -n shop -c none", cluster: true}, {args: "-f FILE -c none", file: true}},
		"parameters check":    {{args: "/shop/shop/prod/app"}, {args: "/shop/shop/prod/app -o json"}},
		"parameters history":  {{args: "/shop/shop/prod/app"}, {args: "/shop/shop/prod/app -o json"}},
		"parameters rollback": {{args: "/shop/shop/prod/app --to 1 --yes"}},
		"parameters init":     {{args: "--system shop --app shop --environments prod"}},
	}
}

// notHostile are commands that print nothing that strangers wrote.
func notHostile() []string {
	return []string{
		"serve", "ui", // logs in JSON, and pages
		"export policy", "version",
		"remove", // asks by discovery: TestForeignTextIsCleaned holds for it
	}
}

// TestHostileNames gives each command every object with hostile names.
func TestHostileNames(t *testing.T) {
	cases := hostileCases()
	for _, name := range leaves(cli.New(cmdutil.Streams{}), "") {
		if _, ok := cases[name]; !ok && !slices.Contains(notHostile(), name) {
			t.Errorf("no case gives %q hostile names", name)
		}
	}
	t.Setenv("KUBECONFIG", os.DevNull)
	h := &hostileWorld{T: t, inCluster: readObjects(t, "testdata/explain-live/cluster.yaml"), inFile: readObjects(t, "testdata/import-file/in.yaml")}
	server := httptest.NewServer(&h.api)
	defer server.Close()
	h.server = server.URL
	keys, err := json.Marshal(map[string]any{"A" + hostile: "1", "B": map[string]any{"C" + hostile: 1}})
	if err != nil {
		t.Fatal(err)
	}
	startSSM(t).Put("/shop/shop/prod/app", string(keys))
	h.run("hostile keys of a parameter", func(c hostileCase) bool { return !c.file && !c.cluster })
	places := 0
	for _, of := range []struct {
		objects []map[string]any
		reads   func(hostileCase) bool
	}{
		{h.inCluster, func(c hostileCase) bool { return c.cluster && !c.file }},
		{h.inFile, func(c hostileCase) bool { return c.file }},
	} {
		seen := map[string]bool{}
		for _, object := range of.objects {
			everyString(object, func(place string, set, reset func()) {
				place = fmt.Sprintf("%v%s", object["kind"], place)
				if seen[place] {
					return
				}
				seen[place] = true
				places++
				set()
				h.run("hostile "+place, of.reads)
				reset()
			})
		}
	}
	if places < 80 {
		t.Errorf("only %d names were made hostile", places)
	}
}

type hostileWorld struct {
	*testing.T

	inCluster, inFile []map[string]any
	api               fakeCluster
	server            string
}

func (h *hostileWorld) run(what string, wanted func(hostileCase) bool) {
	h.Helper()
	h.api.objects = nil
	for _, o := range slices.Concat(h.inCluster, h.inFile) {
		h.api.objects = append(h.api.objects, &unstructured.Unstructured{Object: runtime.DeepCopyJSON(o)})
	}
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": h.inFile})
	if err != nil {
		h.Fatal(err)
	}
	file := filepath.Join(h.TempDir(), "in.json")
	if err := os.WriteFile(file, list, 0o600); err != nil {
		h.Fatal(err)
	}
	for command, all := range hostileCases() {
		for _, c := range all {
			if !wanted(c) {
				continue
			}
			args := strings.Fields(command + " " + strings.ReplaceAll(c.args, "FILE", file))
			if c.cluster {
				args = slices.Insert(args, len(strings.Fields(command)), "--server", h.server)
			}
			r := run("", args...)
			if c.comments {
				r.stdout = commentsOf(r.stdout)
			}
			checkObeyed(h.T, command+" "+c.args+" with "+what, r)
		}
	}
}

// commentsOf returns the lines in front of the first that is no comment.
func commentsOf(text string) string {
	comments := ""
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		comments += line
	}
	return comments
}

func leaves(command *cobra.Command, path string) []string {
	var all []string
	for _, c := range command.Commands() {
		name := strings.TrimSpace(path + " " + c.Name())
		if len(c.Commands()) > 0 {
			all = append(all, leaves(c, name)...)
		} else {
			all = append(all, name)
		}
	}
	return all
}

// TestForeignTextIsCleaned has no command print but through internal/terminal,
// which takes every argument for foreign.
func TestForeignTextIsCleaned(t *testing.T) {
	var files []string
	for _, folder := range []string{".", "cmdutil", "inspect", "output", "../offline", "../explain", "../importer", "../uninstall"} {
		found, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no files in %s: %v", folder, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			selector, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := selector.X.(*ast.Ident); ok && of.Name == "fmt" && strings.HasPrefix(selector.Sel.Name, "Fprint") {
				t.Errorf("%s: use terminal.Fprintf instead of fmt.%s: it cleans names that others wrote", set.Position(n.Pos()), selector.Sel.Name)
			}
			if selector.Sel.Name == "WriteString" && !isConstant(call.Args[0]) {
				t.Errorf("%s: use terminal.Fprintf instead of WriteString: it cleans names that others wrote", set.Position(n.Pos()))
			}
			return true
		})
	}
}

func isConstant(e ast.Expr) bool {
	_, ok := e.(*ast.BasicLit)
	return ok
}
