package terminal

import (
	"errors"
	"io"
	"strings"
)

// WriteError writes an error, each of the errors that were joined on a line of
// its own that starts with the prefix.
func WriteError(w io.Writer, prefix string, err error) {
	for _, line := range errorLines(err) {
		// Nobody is left to be told where standard error is gone.
		_, _ = Fprintf(w, "%s %s\n", prefix, line)
	}
}

// errorLines takes joined errors apart. Any other line end in a message may be
// part of a foreign name, and does not end a line.
func errorLines(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var lines []string
		for _, part := range joined.Unwrap() {
			lines = append(lines, errorLines(part)...)
		}
		return lines
	}
	cause := errors.Unwrap(err)
	if cause == nil {
		return []string{err.Error()}
	}
	before, ok := strings.CutSuffix(err.Error(), cause.Error())
	if !ok {
		return []string{err.Error()}
	}
	lines := errorLines(cause)
	if len(lines) == 1 {
		return []string{before + lines[0]}
	}
	if strings.TrimSpace(before) == "" {
		return lines
	}
	return append([]string{strings.TrimSpace(before)}, lines...)
}
