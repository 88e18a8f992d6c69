// Package structure_test keeps packages and types small enough to be read in one go.
package structure_test

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// maxLines is of a package's code, without tests, comments and blank lines.
	maxLines = 2000
	// maxMethods is of a type.
	maxMethods = 20
)

// large are the types that may have more methods, with the reason.
func large() map[string]string {
	return map[string]string{
		"internal/jsonscan.Scanner":              "a method for each construct of JSON",
		"internal/externalsecret.ExternalSecret": "a model: each method answers one question by the object's fields alone",
	}
}

// TestSizes says which package or type is to be split.
func TestSizes(t *testing.T) {
	lines, methods := map[string]int{}, map[string]int{}
	for _, root := range []string{"cmd", "webhook", "internal", "certs"} {
		if err := filepath.WalkDir(filepath.Join("../..", root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path) //nolint:gosec // nobody swaps files of the checkout
			if err != nil {
				return err
			}
			folder, err := filepath.Rel("../..", filepath.Dir(path))
			if err != nil {
				return err
			}
			lines[folder] += linesOfCode(source)
			return countMethods(methods, folder, path, source)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) < 30 {
		t.Fatalf("found only %d packages", len(lines))
	}
	for folder, n := range lines {
		if n > maxLines {
			t.Errorf("%s has %d lines of code, more than %d: split it by purpose", folder, n, maxLines)
		}
	}
	for name, n := range methods {
		switch _, excepted := large()[name]; {
		case n > maxMethods && !excepted:
			t.Errorf("%s has %d methods, more than %d: split it, or make functions of those that need less than all of it", name, n, maxMethods)
		case n <= maxMethods && excepted:
			t.Errorf("%s has only %d methods: it is no exception any more", name, n)
		}
	}
}

func linesOfCode(source []byte) int {
	n := 0
	for scanner := bufio.NewScanner(bytes.NewReader(source)); scanner.Scan(); {
		if line := strings.TrimSpace(scanner.Text()); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}

func countMethods(methods map[string]int, folder, path string, source []byte) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, declaration := range parsed.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Recv == nil {
			continue
		}
		of := function.Recv.List[0].Type
		if star, ok := of.(*ast.StarExpr); ok {
			of = star.X
		}
		if index, ok := of.(*ast.IndexExpr); ok {
			of = index.X
		}
		if name, ok := of.(*ast.Ident); ok {
			methods[folder+"."+name.Name]++
		}
	}
	return nil
}
