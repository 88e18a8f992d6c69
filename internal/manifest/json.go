package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds nesting, as the API server's own decoder does.
const maxDepth = 10_000

// toJSON writes a tree that expand returned. Fields keep their order.
func toJSON(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	if err := writeJSON(&b, n); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		return writeObject(b, n)
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeJSON(b, item); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	default:
		text, err := scalarJSON(n)
		b.Write(text)
		return err
	}
}

func writeObject(b *bytes.Buffer, n *yaml.Node) error {
	b.WriteByte('{')
	for i := 0; i < len(n.Content); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := nameOf(n.Content[i])
		if err != nil {
			return err
		}
		b.Write(stringJSON(name))
		b.WriteByte(':')
		if err := writeJSON(b, n.Content[i+1]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// stringJSON quotes without escaping <, > and &, which people should find in
// their commands as they wrote them.
func stringJSON(text string) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	// A string always encodes, and a buffer takes all.
	_ = encoder.Encode(text) //nolint:errchkjson // see above
	return bytes.TrimSuffix(b.Bytes(), newline())
}

// fromJSON makes a tree of one JSON value.
func fromJSON(data []byte) (*yaml.Node, error) {
	return newJSONReader(data, 1).value(0)
}

// jsonReader makes trees of JSON values in a row. Unlike a decoded map, a tree
// keeps the order of fields, and their number where one is there twice.
type jsonReader struct {
	decoder *json.Decoder
	data    []byte
	// line is that of the byte at counted.
	line, counted int
}

func newJSONReader(data []byte, line int) *jsonReader {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	return &jsonReader{decoder: decoder, data: data, line: line}
}

func (r *jsonReader) offset() int { return int(r.decoder.InputOffset()) }

// value reads the next value; at the end of all it returns io.EOF.
func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	token, err := r.decoder.Token()
	if depth > 0 && errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.currentLine()}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return nil, fmt.Errorf("values are nested more than %d deep", maxDepth)
		}
		return n, r.children(n, t, depth+1)
	case string:
		n.Tag, n.Value, n.Style = tagString, t, styleOf(t)
	case json.Number:
		return number(t).node(n.Line)
	case bool:
		n.Tag, n.Value = tagBool, fmt.Sprint(t)
	default:
		n.Tag, n.Value = tagNull, "null"
	}
	return n, nil
}

// children reads to the end of an object or array.
func (r *jsonReader) children(n *yaml.Node, open json.Delim, depth int) error {
	n.Kind, n.Tag = yaml.SequenceNode, "!!seq"
	if open == '{' {
		n.Kind, n.Tag = yaml.MappingNode, "!!map"
	}
	for r.decoder.More() {
		child, err := r.value(depth)
		if err != nil {
			return err
		}
		n.Content = append(n.Content, child)
	}
	if _, err := r.decoder.Token(); err != nil { // the closing delimiter
		return io.ErrUnexpectedEOF
	}
	return nil
}

func (r *jsonReader) currentLine() int {
	offset := r.offset()
	r.line += bytes.Count(r.data[r.counted:offset], newline())
	r.counted = offset
	return r.line
}

type number string

// node returns a scalar whose tag is the one that YAML gives the same digits:
// with another, they would be written with the tag in front.
func (n number) node(line int) (*yaml.Node, error) {
	out := &yaml.Node{Kind: yaml.ScalarNode, Value: string(n), Line: line}
	out.Tag = out.ShortTag()
	if out.Tag != tagInt && out.Tag != tagFloat {
		return nil, errorAt(out, "the number %s is out of range", n)
	}
	return out, nil
}

// styleOf quotes what YAML 1.1 reads as something else than a string. Handed
// nodes, the encoder itself goes by YAML 1.2.
func styleOf(text string) yaml.Style {
	var n yaml.Node
	if err := n.Encode(text); err != nil {
		return yaml.DoubleQuotedStyle
	}
	return n.Style
}
