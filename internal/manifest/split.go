package manifest

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// part is a piece of a file that holds one YAML document, or JSON values.
type part struct {
	line int
	raw  []byte
}

func newline() []byte { return []byte("\n") }

// split cuts a file in front of each "---" and behind each "...". YAML lets
// neither stand at the start of a line for anything else, in a quoted or block
// scalar neither, so that no document need be understood to be cut out. All
// parts together are the file, byte for byte.
func split(data []byte) []part {
	var parts []part
	current := part{line: 1}
	line := 1
	flush := func(next int) {
		if len(current.raw) > 0 {
			parts = append(parts, current)
		}
		current = part{line: next}
	}
	for text := range bytes.SplitAfterSeq(data, newline()) {
		if marks(text, "---") {
			flush(line)
		}
		current.raw = append(current.raw, text...)
		line++
		if marks(text, "...") {
			flush(line)
		}
	}
	flush(line)
	return parts
}

// marks says that a line is a document marker: it starts with it, and white
// space follows.
func marks(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || strings.ContainsRune(" \t\r\n", rune(rest[0])))
}

// parse returns the part's documents: one of YAML, or several JSON values in a
// row, which kubectl takes too.
func (p part) parse() ([]*Document, error) {
	if documents, ok := p.parseJSON(); ok {
		return documents, p.finish(documents)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(p.raw))
	var n yaml.Node
	err := decoder.Decode(&n)
	if errors.Is(err, io.EOF) {
		return []*Document{{line: p.line, raw: p.raw}}, nil
	}
	if err != nil {
		return nil, p.syntaxError(err)
	}
	shift(&n, p.line-1)
	d := &Document{line: p.line, raw: p.raw, root: n.Content[0]}
	// The comments around the whole document are the document node's.
	adopt(d.root, &n)
	return []*Document{d}, p.finish([]*Document{d})
}

// parseJSON is apart from YAML because YAML is not quite its superset: escaped
// surrogate pairs, as jq writes them, are an error to a YAML parser.
func (p part) parseJSON() ([]*Document, bool) {
	trimmed := bytes.TrimLeft(p.raw, " \t\r\n")
	if len(trimmed) == 0 || (trimmed[0] != '{' && trimmed[0] != '[') {
		return nil, false
	}
	var documents []*Document
	reader := newJSONReader(p.raw, p.line)
	for start := 0; ; {
		root, err := reader.value(0)
		if errors.Is(err, io.EOF) {
			last := documents[len(documents)-1]
			last.raw = append(last.raw, p.raw[start:]...)
			return documents, true
		}
		if err != nil {
			return nil, false
		}
		end := reader.offset()
		documents = append(documents, &Document{line: root.Line, raw: bytes.Clone(p.raw[start:end]), root: root})
		start = end
	}
}

// finish checks what the parsers let pass.
func (p part) finish(documents []*Document) error {
	for _, d := range documents {
		if err := d.expand(); err != nil {
			return err
		}
		root := d.root
		switch {
		case root.Kind == yaml.ScalarNode && root.ShortTag() == tagNull:
			d.root = nil
		case root.Kind != yaml.MappingNode:
			return errorAt(root, "the document is a %s: a Kubernetes object is a mapping of fields", kindOf(root))
		}
	}
	return nil
}

// yamlLine is how the YAML package writes where a mistake is.
var yamlLine = regexp.MustCompile(`^line (\d+): `)

// parserMistake matches the words of its parser, which counts lines from 0,
// while its scanner counts them from 1.
var parserMistake = regexp.MustCompile(`^did not find expected (<|node content|key|'-' indicator|',' or )`)

// syntaxError moves the line to where it is in the file.
func (p part) syntaxError(err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits, by the expression
		message = message[len(m[0]):]
		if parserMistake.MatchString(message) {
			line++
		}
	}
	if strings.Contains(message, "found character that cannot start any token") && bytes.Contains(p.raw, []byte("\t")) {
		message += ": indent with spaces, YAML takes no tabs"
	}
	return &lineError{line: p.line + line - 1, message: message}
}

// shift moves the lines of a tree to where they are in the file.
func shift(n *yaml.Node, by int) {
	n.Line += by
	for _, c := range n.Content {
		shift(c, by)
	}
}

func adopt(root, document *yaml.Node) {
	root.HeadComment = join(document.HeadComment, root.HeadComment)
	root.FootComment = join(root.FootComment, document.FootComment)
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n\n" + b
}

func kindOf(n *yaml.Node) string {
	if n.Kind == yaml.SequenceNode {
		return "list"
	}
	return "single value"
}
