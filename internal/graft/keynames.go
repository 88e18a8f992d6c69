package graft

import (
	"fmt"
	"slices"
	"strings"
)

// The rule: Kubernetes 1.34 and later hand every key to the process as it is.
// Keys that no shell or runtime takes as names, and those that change how
// programs start, are worth a word; they are injected all the same.

// portableName tells a name by POSIX, section 8.1 of the Base Definitions, in
// either case.
func portableName(key string) bool {
	for i := range len(key) {
		c := key[i]
		letter := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return key != ""
}

// CheckKeyName says what is odd about a key as the name of a variable, if
// anything is.
func CheckKeyName(key string) (Reason, bool) {
	switch {
	case !portableName(key):
		return WarnKeyName, true
	case key == "PATH", key == "IFS", key == "BASH_ENV",
		strings.HasPrefix(key, "LD_"), strings.HasPrefix(key, "KUBERNETES_"):
		return WarnDangerousKey, true
	}
	return "", false
}

// keyNameWarnings returns at most a warning a reason and source: a parameter
// can hold hundreds of keys, an admission response few warnings.
func keyNameWarnings(source string, keys []string) []Warning {
	odd := map[Reason][]string{}
	for _, key := range keys {
		if reason, ok := CheckKeyName(key); ok {
			odd[reason] = append(odd[reason], fmt.Sprintf("%q", key))
		}
	}
	var warnings []Warning
	for _, w := range []struct {
		reason Reason
		text   string
	}{
		{WarnKeyName, "no shell can use as names"},
		{WarnDangerousKey, "change how programs start or find the cluster"},
	} {
		if names := odd[w.reason]; len(names) > 0 {
			slices.Sort(names)
			warnings = append(warnings, Warning{w.reason, fmt.Sprintf("%s has keys that %s (%s): rename them", source, w.text, shorten(names))})
		}
	}
	return warnings
}

// shorten lists a handful of names.
func shorten(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
