package parameters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// The most bytes that a parameter holds, see
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html.
const (
	standardLimit = 4 << 10
	advancedLimit = 8 << 10
	// nearlyFull is the part of the limit, in percent, from which on the next
	// secret may not fit.
	nearlyFull = 90
)

// checkSize goes by the tier, or by the value where the tier is not known.
func (c *Checked) checkSize(size int) {
	c.Bytes, c.Limit = size, standardLimit
	if c.Tier == string(types.ParameterTierAdvanced) || size > standardLimit {
		c.Limit = advancedLimit
	}
	if size*100 < c.Limit*nearlyFull {
		return
	}
	remedy := "the advanced tier holds 8 KB: give --tier Advanced when you put it the next time"
	if c.Limit == advancedLimit {
		remedy = "no tier holds more: move keys to the ConfigMap or to a second app"
	}
	c.add(SeverityWarning, ReasonSize, "", fmt.Sprintf("it holds %d of %d bytes; %s", size, c.Limit, remedy))
}

// checkValue looks at keys and values as the External Secrets Operator will,
// and overwrites the value when it is done.
func (c *Checked) checkValue(value []byte) {
	defer clear(value)
	// ParseKeys overwrites what it reads, too.
	parsed := facts.ParseKeys(bytes.Clone(value))
	switch parsed.State {
	case graft.ParameterInvalidJSON:
		c.add(SeverityError, ReasonInvalidJSON, "", fmt.Sprintf("it is not JSON (%s): put a JSON object there, as {\"API_KEY\":\"…\"}", parsed.Cause))
		return
	case graft.ParameterNotObject:
		c.add(SeverityError, ReasonNotObject, "", fmt.Sprintf("the External Secrets Operator makes no Secret of it: %s", parsed.Cause))
		return
	case graft.ParameterEmpty:
		c.add(SeverityWarning, ReasonEmpty, "", NoKeys)
	default:
	}
	c.Keys = len(parsed.Keys)
	c.checkNames(parsed.Keys)
	c.checkKinds(value)
}

// checkNames goes by the keys as the Secret will have them.
func (c *Checked) checkNames(keys []string) {
	for _, key := range keys {
		reason, odd := graft.CheckKeyName(key)
		if !odd {
			continue
		}
		// Both are injected all the same, so that both are warnings here as at
		// admission, in the same words.
		finding, remedy := ReasonKeyName, "use letters, digits and \"_\", not starting with a digit"
		if reason == graft.WarnDangerousKey {
			finding, remedy = ReasonDangerous, "rename it, unless that is what you want"
		}
		c.add(SeverityWarning, finding, key, fmt.Sprintf("it is one of the keys that %s: %s", graft.KeyNameFault(reason), remedy))
	}
}

// checkKinds finds what the External Secrets Operator turns into JSON text,
// and keys of which only the last value counts.
func (c *Checked) checkKinds(value []byte) {
	for _, key := range duplicates(value) {
		c.add(SeverityError, ReasonDuplicate, key, "it is there twice: the last one wins")
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return // ParseKeys has said what is wrong
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if key == "" {
			c.add(SeverityError, ReasonKeyName, "", "a key is the empty string: the External Secrets Operator drops it")
		}
		if renamed := facts.SecretKey(key); renamed != key {
			c.add(SeverityWarning, ReasonRenamed, key, fmt.Sprintf(
				"the Secret has it as %q: the External Secrets Operator replaces what a Secret's key may not hold; rename it to what the app reads", renamed))
		}
		if holdsNUL(object[key]) {
			c.add(SeverityError, ReasonNUL, key, "its value holds a NUL character, which no variable can: no container of the app would start")
		}
		if kind := kindOf(object[key]); kind != "" {
			c.add(SeverityWarning, ReasonNotString, key, fmt.Sprintf("its value is %s; write a string to have what you see", kind))
		}
		clear(object[key])
	}
}

// holdsNUL says that a string holds the character \u0000, without decoding it to a
// text that nobody could overwrite. In an object or list the escape stays one.
func holdsNUL(value json.RawMessage) bool {
	if value[0] != '"' {
		return false
	}
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(value[i:], []byte(`\u0000`)) {
			return true
		}
		i++ // an escaped backslash begins no other escape
	}
	return false
}

// kindOf says what becomes of a value that is no string.
func kindOf(value json.RawMessage) string {
	switch value[0] {
	case '"':
		return ""
	case '{':
		return "an object, which becomes its JSON text"
	case '[':
		return "a list, which becomes its JSON text"
	case 'n':
		return "null, which becomes the empty string"
	case 't', 'f':
		return "a boolean, which becomes the text true or false"
	}
	return "a number, which becomes its JSON text"
}

// duplicates returns the keys that an object has more than once, in their
// order. The decoder of a map would not tell.
func duplicates(value []byte) []string {
	decoder := json.NewDecoder(bytes.NewReader(value))
	if _, err := decoder.Token(); err != nil {
		return nil
	}
	seen := map[string]int{}
	var twice []string
	for decoder.More() {
		token, err := decoder.Token()
		key, ok := token.(string)
		var skipped skip
		if err != nil || !ok || decoder.Decode(&skipped) != nil {
			return nil
		}
		if seen[key]++; seen[key] == 2 {
			twice = append(twice, key)
		}
	}
	return twice
}

// skip takes any JSON value and keeps nothing of it.
type skip struct{}

// UnmarshalJSON is called with JSON that is already known to be valid.
func (*skip) UnmarshalJSON([]byte) error { return nil }
