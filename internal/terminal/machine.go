package terminal

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// JSON returns JSON in which every character that does not print is escaped:
// the encoder escapes those of ASCII only, and terminals obey others too. So is
// the mark of a command that a pipeline obeys wherever it stands.
func JSON(encoded []byte) []byte {
	var out bytes.Buffer
	for rest := encoded; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == '\n' || unicode.IsPrint(r):
			out.Write(rest[:size])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		rest = rest[size:]
	}
	return bytes.ReplaceAll(out.Bytes(), []byte("##"), []byte(`#\u0023`))
}

// YAML returns YAML in which each string stands on one line: in a block, or
// folded, each of its lines would be one of the output.
func YAML(encoded []byte) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(encoded, &document); err != nil {
		return nil, err
	}
	quote(&document)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&document); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	// All of these stand in double quotes.
	return bytes.ReplaceAll(out.Bytes(), []byte("##"), []byte(`#\x23`)), nil
}

// quote quotes the strings that may span lines, or that hold the mark of a
// command.
func quote(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && (n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 || strings.Contains(n.Value, "##")) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		quote(c)
	}
}
