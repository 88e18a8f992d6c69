package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// variable is a CEL expression that those behind it may call variables.NAME.
type variable struct{ name, expression string }

// check is a condition that a pod must hold to be admitted, and what is said
// where it does not.
type check struct {
	name, expression string
	// message is CEL that makes a string.
	message string
}

// quote writes text as a CEL string.
func quote(text string) string {
	quoted := strconv.QuoteToASCII(text)
	return "'" + strings.NewReplacer(`\"`, `"`, `'`, `\'`).Replace(quoted[1:len(quoted)-1]) + "'"
}

// list writes texts as a CEL list of strings.
func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// firstOf is CEL for the first of two strings that is not empty.
func firstOf(a, b string) string { return fmt.Sprintf("(%s != '' ? %s : %s)", a, a, b) }

func podLabel(key string) string { return "variables.podLabels[?" + quote(key) + "].orValue('')" }
func namespaceLabel(key string) string {
	return "variables.namespaceLabels[?" + quote(key) + "].orValue('')"
}

func annotation(key string) string {
	return "variables.podAnnotations[?" + quote(key) + "].orValue('')"
}
func annotated(key string) string { return quote(key) + " in variables.podAnnotations" }

// unless is CEL for a condition that holds only a pod with the annotation.
func unless(key, condition string) string {
	return fmt.Sprintf("!(%s) || %s", annotated(key), condition)
}
