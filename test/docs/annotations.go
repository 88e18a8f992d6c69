package main

import (
	"errors"
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
	text.WriteString("# Labels and annotations\n\nFor developers and platform engineers who configure single apps or namespaces. envgraft denies a pod with\n" +
		"a value that it does not accept, and the message lists the accepted values. Names such as `names.secret` are fields\n" +
		"of the [configuration](configuration.md).\n")
	for _, declaration := range parsed.Decls {
		group, ok := declaration.(*ast.GenDecl)
		if ok && group.Tok == token.CONST {
			if err := describeGroup(&text, group, values); err != nil {
				return "", err
			}
		}
	}
	return text.String(), nil
}

// settable begins the heading of keys that people set: each needs its values.
const settable = "that people set"

// errNoValues says that a comment lacks what the table needs.
var errNoValues = errors.New("its comment has no \"Accepts: … Default: …\"")

func describeGroup(text *strings.Builder, group *ast.GenDecl, values map[string]string) error {
	var rows strings.Builder
	title := strings.TrimSuffix(strings.TrimSpace(group.Doc.Text()), ".")
	header := "| key | meaning |\n|---|---|\n"
	if strings.Contains(title, settable) {
		header = "| key | meaning | accepted values | default |\n|---|---|---|---|\n"
	}
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
				row, err := describeKey(plain(comment, values), strings.Contains(title, settable))
				if err != nil {
					return fmt.Errorf("%s: %w", name.Name, err)
				}
				fmt.Fprintf(&rows, "| `%s` | %s |\n", value, row)
			}
		}
	}
	if rows.Len() > 0 {
		fmt.Fprintf(text, "\n## %s\n\n%s%s", title, header, &rows)
	}
	return nil
}

// describeKey returns the cells of a key: its meaning, and where people set it its
// accepted values and its default.
func describeKey(comment string, set bool) (string, error) {
	meaning, rest, found := strings.Cut(comment, " Accepts: ")
	accepted, fallback, hasDefault := strings.Cut(rest, ". Default: ")
	switch {
	case !set:
		return cell(comment), nil
	case !found || !hasDefault:
		return "", errNoValues
	}
	return strings.Join([]string{cell(meaning), cell(accepted), cell(strings.TrimSuffix(fallback, "."))}, " | "), nil
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
