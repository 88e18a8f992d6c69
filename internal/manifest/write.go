package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// WriteYAML writes the stream. Documents that nothing changed come out byte
// for byte as they were read.
func (s *Stream) WriteYAML(w io.Writer) error {
	var out bytes.Buffer
	for _, d := range s.Documents {
		encoded, err := d.yaml()
		if err != nil {
			return err
		}
		out.WriteString(separator(out.Bytes(), encoded))
		out.Write(encoded)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// separator returns what must stand between two documents where they come from
// two files, or from a row of JSON values.
func separator(before, next []byte) string {
	if len(before) == 0 || len(bytes.TrimSpace(next)) == 0 {
		return ""
	}
	end := ""
	if !bytes.HasSuffix(before, newline()) {
		end = "\n"
	}
	if marks(next, "---") || marks(before[bytes.LastIndexByte(before[:len(before)-1], '\n')+1:], "...") {
		return end
	}
	return end + "---\n"
}

// yaml returns the document as it was read, or rewritten where it changed.
func (d *Document) yaml() ([]byte, error) {
	if !d.changed {
		return d.raw, nil
	}
	want, err := toJSON(d.root)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s:%d: %w", d.File, d.line, err)
	}
	if spliced, ok := d.splice(); ok && means(spliced, want) {
		return spliced, nil
	}
	encoded, err := d.encode(want)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s:%d: %w", d.File, d.line, err)
	}
	if marks(d.raw, "---") {
		encoded = append([]byte("---\n"), encoded...)
	}
	if bytes.Contains(d.raw, []byte("\r\n")) {
		encoded = bytes.ReplaceAll(encoded, newline(), []byte("\r\n"))
	}
	return encoded, nil
}

// encode gives up comments and style before it gives up meaning: the encoder
// has been seen to write some where they change what follows.
func (d *Document) encode(want []byte) ([]byte, error) {
	compact, indent := d.compact(), indentOf(d.root)
	encoded, err := encodeYAML(d.root, indent, compact)
	if err == nil && means(encoded, want) {
		return encoded, nil
	}
	simplify(d.root)
	if encoded, err = encodeYAML(d.root, indent, compact); err != nil {
		return nil, err
	}
	if !means(encoded, want) {
		return nil, fmt.Errorf("the YAML encoder changes its meaning")
	}
	return encoded, nil
}

// standardIndent is that of most manifests.
const standardIndent = 2

func encodeYAML(n *yaml.Node, indent int, compact bool) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(indent)
	if compact {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(n); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// means says that YAML reads as the given JSON.
func means(encoded, want []byte) bool {
	documents, err := Parse("", encoded)
	if err != nil || len(documents) != 1 || documents[0].root == nil {
		return false
	}
	got, err := toJSON(documents[0].root)
	return err == nil && bytes.Equal(got, want)
}

// simplify takes out of a tree what only people see.
func simplify(n *yaml.Node) {
	n.HeadComment, n.LineComment, n.FootComment = "", "", ""
	switch {
	case n.Kind != yaml.ScalarNode:
		n.Style = 0
	case n.ShortTag() == tagNull:
		n.Value, n.Style = "null", 0
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, c := range n.Content {
		simplify(c)
	}
}

// compact says that the document's lists are not indented below their field,
// so that what does not change looks the same in a diff.
func (d *Document) compact() bool { return !hasIndentedList(d.root) }

func hasIndentedList(n *yaml.Node) bool {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.SequenceNode && c.Style&yaml.FlowStyle == 0 {
			// Nodes that were not read from YAML have no column.
			if c.Column > n.Content[i-1].Column {
				return true
			}
		}
		if hasIndentedList(c) {
			return true
		}
	}
	return false
}

// WriteJSON writes all objects as one List.
func (s *Stream) WriteJSON(w io.Writer) error {
	items := []json.RawMessage{}
	for _, d := range s.Documents {
		if d.root == nil {
			continue
		}
		for _, n := range flatten(d.root) {
			item, err := toJSON(n)
			if err != nil {
				return fmt.Errorf("cannot write %s:%d: %w", d.File, d.line, err)
			}
			items = append(items, item)
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", strings.Repeat(" ", 2))
	return encoder.Encode(struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Items      []json.RawMessage `json:"items"`
	}{"v1", "List", items})
}

// flatten takes Lists apart: a List in a List is not for everybody.
func flatten(n *yaml.Node) []*yaml.Node {
	items := field(n, "items")
	if text(field(n, "kind")) != "List" || items == nil || items.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	var all []*yaml.Node
	for _, item := range items.Content {
		all = append(all, flatten(item)...)
	}
	return all
}
