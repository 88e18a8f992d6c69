// Package canary makes values that stand for secrets in tests, and finds them
// wherever they turn up: in a log, a metric, an Event, a warning, a patch or an
// error, where no secret may ever be.
package canary

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// Mark is in every value, and in nothing else that the tests write.
const Mark = "cAnArYvAlUe"

// Value returns a value that names the place it was put into.
func Value(place string) string { return Mark + "-" + place }

// Object returns a JSON object of canaries, as a parameter holds it.
func Object(place string, keys ...string) string {
	members := make([]string, len(keys))
	for i, key := range keys {
		members[i] = fmt.Sprintf("%q:%q", key, Value(place+"-"+key))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// Find returns the lines of text that hold a canary, as it stands or encoded.
// A cut-off canary counts from its first six characters on.
func Find(text string) []string {
	var found []string
	forms := encoded(Mark[:6])
	for line := range strings.Lines(text) {
		for _, form := range forms {
			if strings.Contains(line, form) {
				found = append(found, strings.TrimSpace(line))
				break
			}
		}
	}
	return found
}

// encoded returns the forms in which a text may stand in another one.
func encoded(text string) []string {
	forms := []string{text, hex.EncodeToString([]byte(text))}
	for shift := range 3 {
		// In base64 a text looks different by where it starts; the characters at
		// its edges depend on what stands around it.
		padded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), text...))
		start, end := (shift*8+5)/6, (shift+len(text))*8/6
		forms = append(forms, padded[start:end])
	}
	return forms
}
