package graft

import "unicode/utf8"

// The rule: what a stranger wrote is cut where a message repeats it. A pod is
// read before the API server validates it, so a container's name may have
// megabytes, and one message a variable would repeat it thousands of times.

const (
	// maxShownBytes fits every name that the API server takes: a container's has
	// 63 bytes at most, a variable's rarely more.
	maxShownBytes = 100
	// maxShadowWarnings are of a pod; those behind them are counted.
	maxShadowWarnings = 20
)

// MaxListEntries are of an annotation that lists names.
const MaxListEntries = 1000

// cut shortens a name for a message.
func cut(name string) string {
	if len(name) <= maxShownBytes {
		return name
	}
	end := maxShownBytes
	for end > 0 && !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "…"
}
