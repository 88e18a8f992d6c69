package doctor

import (
	"regexp"
	"strings"
	"unicode"
)

// The rule: a fix is pasted into a shell by somebody with more rights than
// whoever wrote the annotations that it is made of. What is not plainly a name
// is quoted, or left for a person to fill in.

// plainWord needs no quotes in any shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// word writes text as one word of a shell's command line.
func word(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1 // a newline would be sent off where it is pasted
		}
		return r
	}, text)
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// plainName is the form of names of objects and kinds.
var plainName = regexp.MustCompile(`^[A-Za-z0-9.-]+$`)

// plainVariable is the form of names of variables.
var plainVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// name is the name of an object that another names; the API server holds only
// the object's own to this form.
func name(text string) string {
	if plainName.MatchString(text) {
		return text
	}
	return "NAME"
}
