package graft_test

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestPure keeps clients, clocks and configuration out of the engine: what it
// must know comes in as values.
func TestPure(t *testing.T) {
	const module = "github.com/envgraft/envgraft/internal/"
	allowed := []string{
		"k8s.io/api/", "k8s.io/apimachinery/", "gomodules.xyz/jsonpatch/v2",
		module + "api", module + "identity", module + "reload", module + "graft", module + "envresolve", module + "jsonscan", module + "workload",
	}
	impure := []string{"context", "net", "net/http", "os", "math/rand", "math/rand/v2", "log", "log/slog"}
	for _, pkg := range []string{"graft", "identity", "reload", "envresolve", "jsonscan", "workload"} {
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Errorf("package %s has no files", pkg)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				checkImports(t, file, allowed, impure)
			}
		}
	}
}

func checkImports(t *testing.T, file string, allowed, impure []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range parsed.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		ok := !strings.Contains(path, ".")
		for _, prefix := range allowed {
			ok = ok || strings.HasPrefix(path, prefix)
		}
		for _, forbidden := range impure {
			ok = ok && path != forbidden
		}
		if !ok {
			t.Errorf("%s imports %s", file, path)
		}
	}
}
