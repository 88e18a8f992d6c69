package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"gomodules.xyz/jsonpatch/v2"
)

// apply does one operation of a JSON patch (RFC 6902) to a tree that expand
// returned: add, replace or remove, which are all that the engine writes. The
// nodes that it does not touch keep their comments, order and style.
func apply(root *yaml.Node, op jsonpatch.Operation) error {
	if err := applyAt(root, op); err != nil {
		return fmt.Errorf("cannot %s %q: %w", op.Operation, op.Path, err)
	}
	return nil
}

func applyAt(root *yaml.Node, op jsonpatch.Operation) error {
	tokens, err := parsePointer(op.Path)
	if err != nil {
		return err
	}
	var value *yaml.Node
	switch op.Operation {
	case "add", "replace":
		if value, err = valueNode(op.Value); err != nil {
			return err
		}
	case "remove":
	default:
		return fmt.Errorf("operations are add, replace and remove")
	}
	if len(tokens) == 0 {
		return replaceRoot(root, value)
	}
	parent, err := find(root, tokens[:len(tokens)-1])
	if err != nil {
		return err
	}
	last := tokens[len(tokens)-1]
	switch parent.Kind {
	case yaml.MappingNode:
		return changeField(parent, op.Operation, last, value)
	case yaml.SequenceNode:
		return changeItem(parent, op.Operation, last, value)
	default:
		return fmt.Errorf("%q has no fields", strings.Join(tokens[:len(tokens)-1], "/"))
	}
}

func valueNode(value any) (*yaml.Node, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return fromJSON(data)
}

func replaceRoot(root, value *yaml.Node) error {
	if value == nil {
		return fmt.Errorf("a document cannot be removed")
	}
	*root = *value
	return nil
}

func changeField(parent *yaml.Node, operation, name string, value *yaml.Node) error {
	at := fieldAt(parent, name)
	switch {
	case operation == "add" && at < 0:
		toBlock(parent, value)
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: tagString, Value: name, Style: styleOf(name)}
		parent.Content = append(parent.Content, key, value)
	case at < 0:
		return fmt.Errorf("there is no field %q", name)
	case operation == "remove":
		parent.Content = slices.Delete(parent.Content, at, at+2)
	default:
		parent.Content[at+1] = value
	}
	return nil
}

func changeItem(parent *yaml.Node, operation, token string, value *yaml.Node) error {
	if operation == "add" {
		at := len(parent.Content)
		if token != "-" {
			var err error
			if at, err = parseIndex(token, at+1); err != nil {
				return err
			}
		}
		toBlock(parent, value)
		parent.Content = slices.Insert(parent.Content, at, value)
		return nil
	}
	at, err := parseIndex(token, len(parent.Content))
	if err != nil {
		return err
	}
	if operation == "remove" {
		parent.Content = slices.Delete(parent.Content, at, at+1)
		return nil
	}
	parent.Content[at] = value
	return nil
}

// toBlock lets what was written on one line, as {} or {name: a}, grow over
// several lines: with whole objects in it nobody could read it.
func toBlock(n, added *yaml.Node) {
	if n.Style&yaml.FlowStyle != 0 && (len(n.Content) == 0 || added.Kind != yaml.ScalarNode) {
		n.Style &^= yaml.FlowStyle
		n.Column = 0 // it says nothing of how lists are indented here
	}
}

// find follows the tokens of a JSON pointer.
func find(n *yaml.Node, tokens []string) (*yaml.Node, error) {
	for _, token := range tokens {
		switch n.Kind {
		case yaml.MappingNode:
			at := fieldAt(n, token)
			if at < 0 {
				return nil, fmt.Errorf("there is no field %q", token)
			}
			n = n.Content[at+1]
		case yaml.SequenceNode:
			at, err := parseIndex(token, len(n.Content))
			if err != nil {
				return nil, err
			}
			n = n.Content[at]
		default:
			return nil, fmt.Errorf("there is no field %q in a %s", token, kindOf(n))
		}
	}
	return n, nil
}

// fieldAt returns the place of a field's key, or -1.
func fieldAt(n *yaml.Node, name string) int {
	for i := 0; i < len(n.Content); i += 2 {
		if have, err := nameOf(n.Content[i]); err == nil && have == name {
			return i
		}
	}
	return -1
}

// parsePointer reads a JSON pointer, RFC 6901.
func parsePointer(pointer string) ([]string, error) {
	if pointer == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil, fmt.Errorf("a JSON pointer starts with \"/\"")
	}
	tokens := strings.Split(rest, "/")
	for i, token := range tokens {
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	}
	return tokens, nil
}

// parseIndex reads an index below limit. RFC 6901 allows no sign and no
// leading zero.
func parseIndex(token string, limit int) (int, error) {
	index, err := strconv.Atoi(token)
	if err != nil || strconv.Itoa(index) != token || index < 0 || index >= limit {
		return 0, fmt.Errorf("there is no item %q in a list of %d", token, limit)
	}
	return index, nil
}
