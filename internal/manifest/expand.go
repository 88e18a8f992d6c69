package manifest

import (
	"go.yaml.in/yaml/v3"
)

// maxAliased bounds the nodes that aliases stand for: a few lines of aliases
// of aliases can otherwise fill all memory.
const maxAliased = 1_000_000

// expand replaces the tree by a copy with aliases and merge keys resolved. A
// change in one place must not show up in all others that an anchor feeds.
//
// Of a field that stands twice the last one counts, and the document knows it.
func (d *Document) expand() error {
	x := &expander{inside: map[*yaml.Node]bool{}, moved: map[*yaml.Node]bool{}}
	root, err := x.node(d.root)
	d.root, d.moved, d.twice = root, x.moved, x.twice
	return err
}

type expander struct {
	moved map[*yaml.Node]bool
	twice error
	// inside are the anchored nodes whose aliases are being resolved.
	inside  map[*yaml.Node]bool
	aliased int
}

func (x *expander) node(n *yaml.Node) (*yaml.Node, error) {
	if n.Kind == yaml.AliasNode {
		return x.alias(n)
	}
	if len(x.inside) > 0 {
		if x.aliased++; x.aliased > maxAliased {
			return nil, errorAt(n, "aliases stand for more than %d values", maxAliased)
		}
	}
	out := *n
	if len(x.inside) > 0 {
		x.moved[&out] = true
	}
	out.Anchor, out.Content = "", nil
	if n.Anchor != "" {
		out.Column = 0 // the anchor's, which says nothing of how lists are indented
	}
	switch n.Kind { //nolint:exhaustive // a tree holds no others below its document, aliases are resolved above
	case yaml.MappingNode:
		return &out, x.mapping(n, &out)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			item, err := x.node(c)
			if err != nil {
				return nil, err
			}
			out.Content = append(out.Content, item)
		}
	case yaml.ScalarNode:
		return &out, checkScalar(n)
	}
	return &out, nil
}

func (x *expander) alias(n *yaml.Node) (*yaml.Node, error) {
	if x.inside[n.Alias] {
		return nil, errorAt(n, "anchor %q contains itself", n.Value)
	}
	x.inside[n.Alias] = true
	defer delete(x.inside, n.Alias)
	out, err := x.node(n.Alias)
	if err != nil {
		return nil, err
	}
	out.HeadComment, out.LineComment, out.FootComment = n.HeadComment, n.LineComment, n.FootComment
	return out, nil
}

// mapping copies the fields of from and puts those of merge keys in their
// place, less the ones that from has itself.
func (x *expander) mapping(from, to *yaml.Node) error {
	own := map[string]int{} // the place of the last of a name
	for i := 0; i < len(from.Content); i += 2 {
		if isMerge(from.Content[i]) {
			continue
		}
		name, err := x.fieldName(from.Content[i])
		if err != nil {
			return err
		}
		if _, twice := own[name]; twice && x.twice == nil {
			x.twice = errorAt(from.Content[i], "field %q is there twice", name)
		}
		own[name] = i
	}
	for i := 0; i < len(from.Content); i += 2 {
		key := from.Content[i]
		value, err := x.node(from.Content[i+1])
		if err != nil {
			return err
		}
		if isMerge(key) {
			x.moved[to] = true
			if err := merge(to, own, value); err != nil {
				return err
			}
			continue
		}
		if name, err := x.fieldName(key); err != nil || own[name] != i {
			continue
		}
		resolved, err := x.node(key)
		if err != nil {
			return err
		}
		to.Content = append(to.Content, resolved, value)
	}
	return nil
}

// fieldName returns a key as JSON has it; "*a" may stand for it.
func (x *expander) fieldName(key *yaml.Node) (string, error) {
	if key.Kind == yaml.AliasNode {
		key = key.Alias
	}
	return nameOf(key)
}

// merge adds the fields of a mapping, or of a list of them in which an earlier
// one wins, see https://yaml.org/type/merge.html.
func merge(to *yaml.Node, have map[string]int, value *yaml.Node) error {
	if value.Kind == yaml.SequenceNode {
		for _, item := range value.Content {
			if item.Kind != yaml.MappingNode {
				return errorAt(item, "\"<<\" merges mappings only")
			}
			if err := merge(to, have, item); err != nil {
				return err
			}
		}
		return nil
	}
	if value.Kind != yaml.MappingNode {
		return errorAt(value, "\"<<\" merges mappings only")
	}
	for i := 0; i < len(value.Content); i += 2 {
		name, err := nameOf(value.Content[i])
		if err != nil {
			return err
		}
		if _, there := have[name]; !there {
			have[name] = -1
			to.Content = append(to.Content, value.Content[i], value.Content[i+1])
		}
	}
	return nil
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.ShortTag() == "!!merge"
}
