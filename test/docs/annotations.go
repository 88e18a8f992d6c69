package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// annotations describes the constants of a file that are labels or annotations
// of envgraft's own, by their comments, a table for each group.
func annotations(file string) (string, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return "", err
	}
	values := constants(parsed)
	var text strings.Builder
	fmt.Fprintf(&text, notice, file)
	text.WriteString("# Labels and annotations\n\nA value that cannot be understood denies the pod, and the message says what is accepted.\n")
	for _, declaration := range parsed.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if ok && group.Tok == token.CONST {
			describeGroup(&text, group, values)
		}
	}
	return text.String(), nil
}

func describeGroup(text *strings.Builder, group *ast.GenDecl, values map[string]string) {
	var rows strings.Builder
	comment := ""
	for _, spec := range group.Specs {
		constant, ok := spec.(*ast.ValueSpec)
		if !ok || len(constant.Values) != len(constant.Names) {
			continue
		}
		if constant.Doc != nil {
			comment = constant.Doc.Text()
		}
		for _, name := range constant.Names {
			if value := values[name.Name]; strings.HasPrefix(value, values["Group"]+"/") {
				fmt.Fprintf(&rows, "| `%s` | %s |\n", value, cell(plain(comment, values)))
			}
		}
	}
	if rows.Len() > 0 {
		fmt.Fprintf(text, "\n## %s\n\n| key | meaning |\n|---|---|\n%s", strings.TrimSuffix(strings.TrimSpace(group.Doc.Text()), "."), &rows)
	}
}

// plain writes keys in place of the names of constants.
func plain(comment string, values map[string]string) string {
	words := strings.Fields(comment)
	for i, word := range words {
		trimmed := strings.Trim(word, ",.;:()")
		if value, ok := values[trimmed]; ok && trimmed != "" {
			words[i] = strings.Replace(word, trimmed, "`"+strings.TrimPrefix(value, values["Group"]+"/")+"`", 1)
		}
	}
	return strings.Join(words, " ")
}

// constants returns the strings of all constants, in the order in which each may
// use those before it.
func constants(file *ast.File) map[string]string {
	values := map[string]string{}
	for _, declaration := range file.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant, ok := spec.(*ast.ValueSpec)
			if !ok || len(constant.Values) != len(constant.Names) {
				continue
			}
			for i, name := range constant.Names {
				values[name.Name] = evaluate(constant.Values[i], values)
			}
		}
	}
	return values
}

// evaluate computes a string constant: literals, names and their sums.
func evaluate(e ast.Expr, values map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		if err != nil {
			return ""
		}
		return text
	case *ast.Ident:
		return values[e.Name]
	case *ast.BinaryExpr:
		return evaluate(e.X, values) + evaluate(e.Y, values)
	}
	return ""
}
