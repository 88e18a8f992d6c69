// Package terminal prints text that others wrote (names, annotations, messages of a
// cluster) to terminals and CI logs, without control characters. Every command
// prints through it.
package terminal

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"unicode"
)

// The rule: foreign text stays on its line and steers nothing. A name may hold
// escape sequences, which a terminal obeys (CVE-2021-25743 of kubectl), a line
// end, with which it forges a line of the output, and a workflow command, which
// the runner of a pipeline obeys: "::error::" at the beginning of a line
// (GitHub), "##[error]" or "##vso[…]" anywhere in it (Azure Pipelines).

// Safe is text that passes as it is: colors, and blocks of lines that were
// cleaned already.
type Safe string

// Line returns foreign text on one line, without what a terminal or a pipeline
// would obey.
func Line(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, text)
	if strings.Contains(text, "##") {
		text = anywhereCommand.ReplaceAllString(text, "# #$1")
	}
	return leadingCommand.ReplaceAllString(text, "$1: :$2")
}

var (
	anywhereCommand = regexp.MustCompile(`##(\w*\[)`)
	leadingCommand  = regexp.MustCompile(`^(\s*)::(\w)`)
)

// Lines returns text whose line ends are wanted, as those of a command to copy.
// No line of it is obeyed by a pipeline.
func Lines(text string) Safe {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = Line(lines[i])
	}
	return Safe(strings.Join(lines, "\n"))
}

// Sprintf formats as fmt.Sprintf. The format is the program's own; each argument
// is foreign, and on one line, unless it is Safe.
func Sprintf(format string, arguments ...any) Safe {
	return Safe(fmt.Sprintf(format, cleaned(arguments)...))
}

// Fprintf writes what Sprintf returns.
func Fprintf(w io.Writer, format string, arguments ...any) (int, error) {
	return fmt.Fprintf(w, format, cleaned(arguments)...)
}

// Appendf appends what Sprintf returns to a buffer, which cannot fail.
func Appendf(out *bytes.Buffer, format string, arguments ...any) {
	out.WriteString(string(Sprintf(format, arguments...)))
}

// Color returns foreign text between the escape sequences of an ANSI color.
func Color(color int, text string) Safe {
	return Safe(fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, Line(text)))
}

func cleaned(arguments []any) []any {
	out := make([]any, len(arguments))
	for i, argument := range arguments {
		out[i] = clean(argument)
	}
	return out
}

func clean(argument any) any {
	if text, ok := argument.(Safe); ok {
		return string(text)
	}
	switch reflect.ValueOf(argument).Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		if _, named := argument.(fmt.Stringer); !named {
			return argument
		}
	}
	return foreign{argument}
}

// foreign is formatted by its verb first and cleaned then: %q shows an escape
// sequence as one.
type foreign struct{ value any }

func (f foreign) Format(state fmt.State, verb rune) {
	text := Line(fmt.Sprintf(fmt.FormatString(state, verb), f.value))
	_, _ = io.WriteString(state, text) // fmt's buffer takes all
}
