package manifest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The tags of scalars, as yaml.Node.ShortTag writes them.
const (
	tagNull   = "!!null"
	tagBool   = "!!bool"
	tagString = "!!str"
	tagInt    = "!!int"
	tagFloat  = "!!float"
	tagBinary = "!!binary"
)

// checkScalar refuses what JSON cannot say, so that later steps need not fail.
func checkScalar(n *yaml.Node) error {
	_, err := scalarJSON(n)
	return err
}

// scalarJSON writes a scalar as kubectl hands it to the API server: by the
// rules of YAML 1.1, numbers as they are written where JSON takes them so.
func scalarJSON(n *yaml.Node) ([]byte, error) {
	switch tag := n.ShortTag(); tag {
	case tagNull:
		return []byte("null"), nil
	case tagBool:
		return []byte(strings.ToLower(n.Value)), nil
	case tagInt, tagFloat:
		return numberJSON(n)
	case tagBinary:
		// As kubectl's parser: it skips line ends, and refuses blanks.
		data, err := base64.StdEncoding.DecodeString(n.Value)
		if err != nil {
			return nil, errorAt(n, "cannot decode !!binary: %v", err)
		}
		return stringJSON(string(data)), nil
	case tagString:
		if old, ok := oldBool(n); ok {
			return strconv.AppendBool(nil, old), nil
		}
		return stringJSON(n.Value), nil
	case "!!timestamp":
		// Times are strings to Kubernetes.
		return stringJSON(n.Value), nil
	default:
		return nil, errorAt(n, "YAML tag %q means nothing to Kubernetes", tag)
	}
}

// numberJSON keeps a number as it is written: 20 digits and 1.10 stay so.
func numberJSON(n *yaml.Node) ([]byte, error) {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && isJSONNumber(n.Value) {
		return []byte(n.Value), nil
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return nil, errorAt(n, "cannot read the number %q", n.Value)
	}
	if f, ok := value.(float64); ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return nil, errorAt(n, "%s is no number that JSON can say", n.Value)
	}
	return json.Marshal(value)
}

func isJSONNumber(text string) bool {
	return text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text))
}

// oldBool reads the words that YAML 1.1, and so kubectl, takes for booleans,
// while YAML 1.2 does not.
func oldBool(n *yaml.Node) (value, ok bool) {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) != 0 {
		return false, false
	}
	switch n.Value {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return true, true
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

// nameOf returns a mapping's key as kubectl has it: 1 and true become strings.
func nameOf(key *yaml.Node) (string, error) {
	if key.Kind != yaml.ScalarNode || key.ShortTag() == tagNull {
		return "", errorAt(key, "the name of a field must be a string")
	}
	text, err := scalarJSON(key)
	if err != nil {
		return "", err
	}
	if tag := key.ShortTag(); tag == tagInt || tag == tagFloat {
		return numberName(key)
	}
	if text[0] != '"' {
		return string(text), nil // a boolean
	}
	var name string
	return name, json.Unmarshal(text, &name)
}

// numberName writes a number as sigs.k8s.io/yaml does where it is a name.
func numberName(key *yaml.Node) (string, error) {
	var value any
	if err := key.Decode(&value); err != nil {
		return "", errorAt(key, "cannot read the number %q", key.Value)
	}
	if f, ok := value.(float64); ok {
		return strconv.FormatFloat(f, 'g', -1, 32), nil
	}
	return fmt.Sprint(value), nil
}
