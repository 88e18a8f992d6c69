// Package bounded cuts text that others wrote before it goes into the log, a trace,
// an Event or an answer. A user who may create pods can send a name of 3 MB: a few
// of those would rotate the log away, or fill memory while the collector of traces
// is down.
package bounded

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The bounds, in bytes.
const (
	// Name is longer than any name of a Kubernetes object, which has 253 at most.
	Name = 256
	// Message is for whole sentences that quote names.
	Message = 4 << 10
	// Note is the API server's limit of an Event's note.
	Note = 1024
)

// Text returns a text as it is, or cut to at most so many bytes, the last of
// which say that, and how long the text was.
func Text(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := fmt.Sprintf("… (%d bytes)", len(text))
	return whole(text[:max(0, limit-len(end))]) + end
}

// Middle returns a text as it is, or its two ends, together at most so many
// bytes: a message often says what to do at its end.
func Middle(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	cut := fmt.Sprintf("… (%d bytes) …", len(text))
	room := max(0, limit-len(cut))
	tail := text[len(text)-room/2:]
	for tail != "" && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	return whole(text[:room-room/2]) + cut + tail
}

// whole drops a character at the end that was cut in two.
func whole(text string) string { return strings.ToValidUTF8(text, "") }
