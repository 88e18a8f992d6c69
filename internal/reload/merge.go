// Package reload writes what Stakater's Reloader must find on a workload for
// its pods to be replaced when their Secret or ConfigMap changes, and takes
// back what it wrote and nothing else.
package reload

import (
	"regexp"
	"slices"
	"strings"
)

// The rule: the value of a named annotation is a list of regular expressions,
// split at commas, trimmed and anchored one by one, see ShouldReload in
// https://github.com/stakater/Reloader/blob/master/pkg/common/common.go.

const separator = ","

// Merge returns the named annotation's value with the object's name added. It
// returns the value as it is where one of its expressions matches the name
// already; else the name goes to the end, so that the user's own text stays
// byte for byte.
func Merge(value, name string) string {
	if covers(value, name) {
		return value
	}
	// A name may hold ".", which as an expression would match other names too.
	entry := regexp.QuoteMeta(name)
	if value == "" {
		return entry
	}
	return value + separator + entry
}

// covers says that Reloader, reading the value, would reload for the name.
func covers(value, name string) bool {
	for entry := range strings.SplitSeq(value, separator) {
		// Reloader puts no group around the expression, so "a|b" is "^a|b$".
		expression, err := regexp.Compile("^" + strings.TrimSpace(entry) + "$")
		if err == nil && expression.MatchString(name) {
			return true
		}
	}
	return false
}

// unmerge takes an entry that Merge added out of the value again: the last one
// that is the same, for a user who has since written it himself wrote it
// before or behind ours, and one of the two must stay.
func unmerge(value, entry string) string {
	entries := strings.Split(value, separator)
	for i, entrie := range slices.Backward(entries) {
		if entrie == entry {
			return strings.Join(append(entries[:i:i], entries[i+1:]...), separator)
		}
	}
	return value
}
