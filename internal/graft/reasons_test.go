package graft_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/graft"
)

// TestReasons compares the lists with the constants: metrics have a series for
// each reason before the first pod has it, and docs describe each.
func TestReasons(t *testing.T) {
	declared := map[string][]graft.Reason{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if kind, named := asIdent(spec, ok); named && kind == "Reason" {
				value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				prefix := spec.Names[0].Name[:4] // of WarnNoApp or ReasonNoApp
				declared[prefix] = append(declared[prefix], graft.Reason(value))
			}
			return true
		})
	}
	for prefix, listed := range map[string][]graft.Reason{
		"Warn": graft.Warnings(), "Reas": slices.Concat(graft.Refusals(), graft.Passes()),
	} {
		if diff := cmp.Diff(unique(declared[prefix]), unique(listed)); diff != "" {
			t.Errorf("reasons: -constants, +reasons.go:\n%s", diff)
		}
	}
}

func asIdent(spec *ast.ValueSpec, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	ident, ok := spec.Type.(*ast.Ident)
	if !ok {
		return "", false
	}
	return ident.Name, true
}

func unique(reasons []graft.Reason) []graft.Reason {
	set := map[graft.Reason]bool{}
	for _, r := range reasons {
		set[r] = true
	}
	return slices.Sorted(maps.Keys(set))
}
