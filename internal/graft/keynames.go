package graft

import (
	"fmt"
	"slices"
	"strconv"
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

func (t *tiers) keyNameWarnings() []Warning {
	return slices.Concat(keyNameWarnings(t.parameter, t.parameterKeys.sorted),
		keyNameWarnings(t.configMap, t.configMapKeys.sorted), t.caseWarnings())
}

// caseWarnings are for Windows, where keys of the two tiers that differ by case
// only are one variable, and which of them a process sees is left to chance.
func (t *tiers) caseWarnings() []Warning {
	var both handful
	for _, key := range t.parameterKeys.sorted {
		if other, ok := t.configMapKeys.find(key); t.fold && ok && other != key {
			both.add(key)
		}
	}
	if both.count == 0 {
		return nil
	}
	return []Warning{{WarnKeyName, fmt.Sprintf("keys of %s differ from keys of %s by case only (%s), and are one variable on Windows: rename them",
		t.parameter, t.configMap, both.quoted())}}
}

// KeyNameFault says in the words of every command and warning what is wrong with
// keys that CheckKeyName gave a reason.
func KeyNameFault(reason Reason) string {
	if reason == WarnDangerousKey {
		return "change how programs start or find the cluster"
	}
	return "no shell can use as names"
}

// keyNameWarnings returns at most a warning a reason and source: a parameter
// can hold hundreds of keys, an admission response few warnings.
func keyNameWarnings(source reference, keys []string) []Warning {
	var names, dangerous handful
	for _, key := range keys {
		switch reason, odd := CheckKeyName(key); {
		case !odd:
		case reason == WarnDangerousKey:
			dangerous.add(key)
		default:
			names.add(key)
		}
	}
	var warnings []Warning
	for _, found := range []struct {
		reason Reason
		keys   *handful
	}{{WarnKeyName, &names}, {WarnDangerousKey, &dangerous}} {
		if found.keys.count > 0 {
			warnings = append(warnings, Warning{found.reason, fmt.Sprintf(
				"%s has keys that %s (%s): rename them", source, KeyNameFault(found.reason), found.keys.quoted())})
		}
	}
	return warnings
}

// handful counts names and holds the first few: a ConfigMap can have a hundred
// thousand keys, and a message names five.
type handful struct {
	names []string
	count int
}

func (h *handful) add(name string) {
	if h.count++; len(h.names) < maxHandful {
		h.names = append(h.names, cut(name))
	}
}

const maxHandful = 5

func (h *handful) quoted() string {
	quoted := make([]string, len(h.names))
	for i, name := range h.names {
		quoted[i] = strconv.Quote(name)
	}
	return h.list(quoted)
}

func (h *handful) String() string { return h.list(h.names) }

func (h *handful) list(names []string) string {
	if h.count <= len(names) {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names, ", "), h.count-len(names))
}
