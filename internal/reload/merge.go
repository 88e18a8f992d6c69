// Package reload writes Reloader's annotations to workloads, so that Reloader
// replaces their pods when their Secret or ConfigMap changes. It can revert exactly
// what it wrote.
package reload

import (
	"regexp"
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

// An expression is text of somebody who may create workloads, and compiling one
// of 3 KB can take hundreds of MiB. So no more than a few short ones are looked
// at; what is not looked at does not cover, and costs a second entry at worst.
const (
	maxExpressions    = 32
	longestExpression = 128
)

// covers says that Reloader, reading the value, would reload for the name, as
// far as that can be told cheaply.
func covers(value, name string) bool {
	quoted := regexp.QuoteMeta(name)
	for entry := range strings.SplitSeq(value, separator) {
		if entry = strings.TrimSpace(entry); entry == name || entry == quoted {
			return true
		}
	}
	compiled := 0
	for entry := range strings.SplitSeq(value, separator) {
		entry = strings.TrimSpace(entry)
		if !cheap(entry) {
			continue
		}
		if compiled++; compiled > maxExpressions {
			return false
		}
		// Reloader puts no group around the expression, so "a|b" is "^a|b$".
		expression, err := regexp.Compile("^" + entry + "$")
		if err == nil && expression.MatchString(name) {
			return true
		}
	}
	return false
}

// cheap says that an entry is an expression whose program is about as long as
// its text: no counts, which repeat what they follow, and no classes or flags,
// which stand for large parts of Unicode. Plain text is no expression.
func cheap(entry string) bool {
	if len(entry) > longestExpression || !strings.ContainsAny(entry, `.*+?|()[]^$\`) || strings.Contains(entry, "(?") {
		return false
	}
	for i := range len(entry) {
		switch c := entry[i]; {
		case c < ' ', c > '~', c == '{', c == '}':
			return false
		case c == '\\' && i+1 < len(entry) && (entry[i+1] == 'p' || entry[i+1] == 'P'):
			return false
		}
	}
	return true
}

// unmerge takes an entry that Merge added out of the value again: the last one
// that is the same, for a user who has since written it himself wrote it
// before or behind ours, and one of the two must stay.
func unmerge(value, entry string) string {
	end := len(value)
	for {
		start := strings.LastIndex(value[:end], separator) + 1
		if value[start:end] != entry {
			if start == 0 {
				return value
			}
			end = start - len(separator)
			continue
		}
		switch {
		case end < len(value):
			return value[:start] + value[end+len(separator):]
		case start > 0:
			return value[:start-len(separator)]
		}
		return ""
	}
}
