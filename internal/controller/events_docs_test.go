package controller

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/admissionevents"
)

// TestEventsDocumented compares the reasons of Events with the table of
// docs/operations.md: people select by them.
func TestEventsDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(data), "\n## Events\n")
	if !found {
		t.Fatal("docs/operations.md has no section Events")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (?:Normal|Warning) \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, m[1])
	}

	reasons := append(constants(t, "*.go", "event"), constants(t, "../plan/*.go", "event")...)
	reasons = append(reasons, constants(t, "../externalsecret/health.go", "Reason")...)
	reasons = append(reasons, admissionevents.ReasonAudited)
	for _, reason := range admissionevents.Reasons() {
		reasons = append(reasons, string(reason))
	}
	slices.Sort(documented)
	slices.Sort(reasons)
	if diff := cmp.Diff(reasons, documented); diff != "" {
		t.Errorf("reasons of Events: -code, +docs/operations.md:\n%s", diff)
	}
}

// constants are the string constants of some files whose names start so.
func constants(t *testing.T, pattern, prefix string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if i >= len(spec.Values) || !strings.HasPrefix(name.Name, prefix) {
					continue
				}
				literal, ok := spec.Values[i].(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					continue
				}
				reason, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				reasons = append(reasons, reason)
			}
			return true
		})
	}
	if len(reasons) == 0 {
		t.Fatal("no constant was found")
	}
	return reasons
}
