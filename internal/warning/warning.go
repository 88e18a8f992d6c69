// Package warning shortens warnings to what an API server passes on and kubectl
// prints: one line each.
package warning

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The rule: where all warnings of an answer are longer than 4096 characters
// together, the API server cuts each after 256 and drops what is too much, and
// one with a control character it always drops
// (k8s.io/apiserver/pkg/endpoints/filters/warning.go). It would cut off the fix,
// which stands last. So it is the names that are cut here, in their middle, and
// then what stands in front of the fix.
const (
	// MaxLength is the longest that a warning may be, in characters.
	MaxLength = 256
	// maxTotal is what all warnings of an answer may be.
	maxTotal = 4096

	// minBefore is what stays of what stands in front of the fix.
	minBefore = 32

	prefix = "envgraft: "
	cut    = "…"
	// fixFollows is in front of the fix.
	fixFollows = ": "
)

// Fit returns the texts as warnings of an answer. Of what is too much for it,
// it says how much that is.
func Fit(texts []string) []string {
	var all []string
	left := maxTotal - MaxLength // for the last word
	for i, text := range texts {
		line := Line(text)
		if left -= utf8.RuneCountInString(line); left < 0 {
			return append(all, fmt.Sprintf("%sand %d warnings more", prefix, len(texts)-i))
		}
		all = append(all, line)
	}
	return all
}

// Line returns a text as one warning.
func Line(text string) string {
	words := strings.FieldsFunc(strings.ToValidUTF8(text, string(utf8.RuneError)), func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) })
	limit := MaxLength - len(prefix)
	line := strings.Join(words, " ")
	for _, longest := range []int{64, 48, 36} {
		if utf8.RuneCountInString(line) <= limit {
			return prefix + line
		}
		line = joinCut(words, longest)
	}
	return prefix + cutBefore(line, limit)
}

// joinCut joins words, none of which is longer than so many characters.
func joinCut(words []string, longest int) string {
	var b strings.Builder
	for i, word := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(middleCut(word, longest))
	}
	return b.String()
}

// middleCut keeps both ends of a name: names that are long differ in either.
func middleCut(word string, longest int) string {
	if utf8.RuneCountInString(word) <= longest {
		return word
	}
	runes := []rune(word)
	tail := (longest - 1) / 2
	return string(runes[:longest-1-tail]) + cut + string(runes[len(runes)-tail:])
}

// cutBefore cuts what stands in front of the fix, or of the last half where no
// fix is found in it.
func cutBefore(line string, limit int) string {
	runes := []rune(line)
	if len(runes) <= limit {
		return line
	}
	fix := runes[len(runes)-limit/2:]
	if at := strings.LastIndex(line, fixFollows); at >= 0 {
		if found := []rune(line[at:]); len(found) <= limit-minBefore {
			fix = found
		}
	}
	return string(runes[:limit-len(fix)-1]) + cut + string(fix)
}
