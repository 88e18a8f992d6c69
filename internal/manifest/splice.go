package manifest

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The rule: a document that changes keeps its text but for the entries that
// change. An encoder would move comments, drop blank lines and indent lists its
// own way, and people have these files in git. What is spliced is read back: where
// it does not mean what it must, or where the text is such that an entry does not
// stand on lines of its own, the entry around it is written again, and the whole
// document in the end.

// place is what a node held when it was read. Only nodes that are in the text
// where they are in the tree have one: not those of aliases and merge keys.
type place struct{ content []*yaml.Node }

// remember notes the places of a tree before it changes.
func (d *Document) remember() {
	if d.places != nil {
		return
	}
	d.places = map[*yaml.Node]place{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		d.places[n] = place{slices.Clone(n.Content)}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(d.root)
}

// edit replaces lines, from one up to another.
type edit struct {
	from, to int
	lines    []string
}

type splicer struct {
	*Document

	// lines are those of the text, without line ends.
	lines   []string
	edits   []edit
	indent  int
	compact bool
}

// splice returns the document's text with the entries that changed written again.
func (d *Document) splice() ([]byte, bool) {
	if d.places == nil || len(d.raw) == 0 {
		return nil, false
	}
	ending := "\n"
	if bytes.Contains(d.raw, []byte("\r\n")) {
		ending = "\r\n"
	}
	text := strings.TrimSuffix(string(d.raw), ending)
	s := &splicer{Document: d, lines: strings.Split(text, ending), indent: indentOf(d.root), compact: d.compact()}
	limit := len(s.lines)
	if marks([]byte(s.lines[limit-1]), "...") {
		limit--
	}
	if !s.node(d.root, limit) {
		return nil, false
	}
	slices.SortStableFunc(s.edits, func(a, b edit) int { return a.from - b.from })
	var out []string
	at := 0
	for _, e := range s.edits {
		if e.from < at {
			return nil, false
		}
		out = append(append(out, s.lines[at:e.from]...), e.lines...)
		at = e.to
	}
	out = append(out, s.lines[at:]...)
	spliced := strings.Join(out, ending)
	if strings.HasSuffix(string(d.raw), ending) {
		spliced += ending
	}
	return []byte(spliced), true
}

// node splices the changes below a node whose text ends in front of the line
// limit. It returns false where the entry that holds the node must be written again.
func (s *splicer) node(n *yaml.Node, limit int) bool {
	if !s.changed(n) {
		return true
	}
	was, known := s.places[n]
	switch {
	case !known, s.moved[n], n.Column == 0, n.Style&yaml.FlowStyle != 0, len(was.content) == 0:
		return false
	case n.Kind == yaml.MappingNode:
		return s.entries(s.fields(n), s.fieldsWere(n), limit)
	case n.Kind == yaml.SequenceNode:
		return s.entries(s.items(n, n.Content), s.items(n, was.content), limit)
	}
	return false
}

func (s *splicer) changed(n *yaml.Node) bool {
	was, known := s.places[n]
	return !known || !slices.Equal(was.content, n.Content) || slices.ContainsFunc(n.Content, s.changed)
}

// entry is a field of a mapping or an item of a list.
type entry struct {
	// id is the node by which it is known again, value the one that may change.
	id, value *yaml.Node
	// line and column are where it begins: its key, or its dash.
	line, column int
	// alone makes a document of the entry.
	alone *yaml.Node
}

func (s *splicer) fields(n *yaml.Node) []entry { return s.fieldsOf(n.Content) }

func (s *splicer) fieldsWere(n *yaml.Node) []entry { return s.fieldsOf(s.places[n].content) }

func (s *splicer) fieldsOf(content []*yaml.Node) []entry {
	var all []entry
	for i := 0; i < len(content); i += 2 {
		key, value := content[i], content[i+1]
		all = append(all, entry{
			id: key, value: value, line: key.Line - s.line, column: key.Column,
			alone: &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{withoutOuterComments(key), withoutLastComment(value)}},
		})
	}
	return all
}

func (s *splicer) items(n *yaml.Node, content []*yaml.Node) []entry {
	var all []entry
	for _, item := range content {
		all = append(all, entry{
			id: item, value: item, line: item.Line - s.line, column: n.Column,
			alone: &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: []*yaml.Node{withoutFirstComment(withoutLastComment(item))}},
		})
	}
	return all
}

// entries splices the changes of a mapping or list.
func (s *splicer) entries(now, were []entry, limit int) bool {
	at, ok := s.positions(were, limit)
	if !ok {
		return false
	}
	kept := map[int]bool{}
	last := -1
	insertAt := -1
	var pending []entry
	for _, e := range now {
		i, known := at[e.id]
		if !known {
			if insertAt < 0 {
				pending = append(pending, e)
				continue
			}
			if !s.insert(insertAt, were[0].column, e) {
				return false
			}
			continue
		}
		if i <= last {
			return false // they changed places
		}
		last = i
		kept[i] = true
		for _, p := range pending {
			if !s.insert(s.commentsAbove(were[i], 0), were[0].column, p) {
				return false
			}
		}
		pending = nil
		end, next := s.endOf(were, i, limit)
		mark := len(s.edits)
		if e.value != were[i].value || !s.node(e.value, next) {
			s.edits = s.edits[:mark]
			if !s.rewrite(were[i].line, end, were[i].column, e) {
				return false
			}
		}
		insertAt = end
	}
	if len(kept) == 0 || !kept[0] && strings.TrimSpace(s.lines[were[0].line][:were[0].column-1]) != "" {
		return false // what stands in front of the first would be lost
	}
	for i := range were {
		if !kept[i] {
			s.remove(were, i, limit)
		}
	}
	return true
}

// positions are where the entries stand, if each has lines of its own.
func (s *splicer) positions(all []entry, limit int) (map[*yaml.Node]int, bool) {
	at := map[*yaml.Node]int{}
	for i, e := range all {
		if !s.standsAlone(e, i == 0, limit) || i > 0 && e.line <= all[i-1].line {
			return nil, false
		}
		at[e.id] = i
	}
	return at, true
}

// endOf is the line behind the content of an entry, and the line where the next
// one begins.
func (s *splicer) endOf(all []entry, i, limit int) (end, next int) {
	next = limit
	if i+1 < len(all) {
		next = all[i+1].line
	}
	return s.contentEnd(all[i], next), next
}

// remove cuts an entry out, with the comments above it.
func (s *splicer) remove(all []entry, i, limit int) {
	floor := 0
	if i > 0 {
		floor, _ = s.endOf(all, i-1, limit)
	}
	end, _ := s.endOf(all, i, limit)
	s.edits = append(s.edits, edit{from: s.commentsAbove(all[i], floor), to: end})
}

// standsAlone says that nothing but indentation is in front of an entry, and of
// the first what it is the first of.
func (s *splicer) standsAlone(e entry, first bool, limit int) bool {
	if s.moved[e.id] || e.line < 0 || e.line >= limit || e.column < 1 || len(s.lines[e.line]) < e.column {
		return false
	}
	front := s.lines[e.line][:e.column-1]
	if e.alone.Kind == yaml.SequenceNode && s.lines[e.line][e.column-1] != '-' {
		return false
	}
	if first {
		return strings.Trim(front, " -") == "" && !strings.HasPrefix(front, "---")
	}
	return strings.Trim(front, " ") == ""
}

// contentEnd is the line behind the last one of an entry. Blank lines and comments
// behind it are not the entry's, unless they are text of a block.
func (s *splicer) contentEnd(e entry, next int) int {
	block := endsInBlock(e.value)
	end := next
	for ; end > e.line+1; end-- {
		line := s.lines[end-1]
		text := strings.TrimSpace(line)
		indented := len(line)-len(strings.TrimLeft(line, " ")) >= e.column
		if text != "" && (text[0] != '#' || block && indented) {
			break
		}
	}
	return end
}

func endsInBlock(n *yaml.Node) bool {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
}

// commentsAbove is the first of the comment lines right above an entry.
func (s *splicer) commentsAbove(e entry, floor int) int {
	line := e.line
	for line > floor && strings.HasPrefix(strings.TrimSpace(s.lines[line-1]), "#") {
		line--
	}
	return line
}

// insert writes a new entry in front of a line.
func (s *splicer) insert(at, column int, e entry) bool {
	lines, ok := s.written(e, strings.Repeat(" ", column-1), column)
	s.edits = append(s.edits, edit{from: at, to: at, lines: lines})
	return ok
}

// rewrite writes an entry again in its place.
func (s *splicer) rewrite(from, to, column int, e entry) bool {
	lines, ok := s.written(e, s.lines[from][:column-1], column)
	s.edits = append(s.edits, edit{from: from, to: to, lines: lines})
	return ok
}

func (s *splicer) written(e entry, front string, column int) ([]string, bool) {
	encoded, err := encodeYAML(e.alone, s.indent, s.compact)
	if err != nil {
		return nil, false
	}
	lines := strings.Split(strings.TrimSuffix(string(encoded), "\n"), "\n")
	for i := range lines {
		switch {
		case i == 0:
			lines[i] = front + lines[i]
		case lines[i] != "":
			lines[i] = strings.Repeat(" ", column-1) + lines[i]
		}
	}
	return lines, true
}

// withoutOuterComments leaves out what stands above and below: it stays in the text.
func withoutOuterComments(n *yaml.Node) *yaml.Node {
	out := *n
	out.HeadComment, out.FootComment = "", ""
	return &out
}

func withoutLastComment(n *yaml.Node) *yaml.Node {
	out := *n
	out.FootComment = ""
	if last := len(out.Content) - 1; last >= 0 {
		out.Content = slices.Clone(out.Content)
		out.Content[last] = withoutLastComment(out.Content[last])
		if out.Kind == yaml.MappingNode {
			key := *out.Content[last-1]
			key.FootComment = ""
			out.Content[last-1] = &key
		}
	}
	return &out
}

func withoutFirstComment(n *yaml.Node) *yaml.Node {
	out := *n
	out.HeadComment = ""
	if len(out.Content) > 0 {
		out.Content = slices.Clone(out.Content)
		out.Content[0] = withoutFirstComment(out.Content[0])
	}
	return &out
}

// indentOf is how far a document indents mappings below their fields.
func indentOf(n *yaml.Node) int {
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.MappingNode && c.Style&yaml.FlowStyle == 0 && len(c.Content) > 0 {
			if by := c.Content[0].Column - n.Content[i-1].Column; by >= 2 && by <= 8 && c.Content[0].Line > n.Content[i-1].Line {
				return by
			}
		}
	}
	for _, c := range n.Content {
		if by := indentOf(c); by != standardIndent {
			return by
		}
	}
	return standardIndent
}
