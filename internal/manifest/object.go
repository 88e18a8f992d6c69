package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"gomodules.xyz/jsonpatch/v2"
)

// Object is one Kubernetes object of a document: the document itself, or an
// item of a list.
type Object struct {
	Document *Document
	Group    string
	Kind     string
	// Namespace is the object's own; empty where it states none.
	Namespace string
	Name      string
	Labels    map[string]string

	// pointer leads from the document to the object.
	pointer string
	node    *yaml.Node
}

// Objects returns all objects in their order, those of lists too.
func (s *Stream) Objects() []Object {
	var objects []Object
	for _, d := range s.Documents {
		if d.root != nil {
			objects = append(objects, d.objects(d.root, "", "")...)
		}
	}
	return objects
}

// objects walks a list. Items of a typed list, as PodList, state no kind of
// their own when an API server sends them.
func (d *Document) objects(n *yaml.Node, pointer, kind string) []Object {
	o := newObject(d, n, pointer)
	if o.Kind == "" {
		o.Kind = kind
	}
	items := field(n, "items")
	element, isList := strings.CutSuffix(o.Kind, "List")
	if !isList || items == nil || items.Kind != yaml.SequenceNode {
		return []Object{o}
	}
	var objects []Object
	for i, item := range items.Content {
		if item.Kind != yaml.MappingNode {
			continue
		}
		for _, inner := range d.objects(item, pointer+"/items/"+strconv.Itoa(i), element) {
			if inner.Group == "" && o.Kind != "List" {
				inner.Group = o.Group
			}
			objects = append(objects, inner)
		}
	}
	return objects
}

func newObject(d *Document, n *yaml.Node, pointer string) Object {
	metadata := field(n, "metadata")
	group, _, hasGroup := strings.Cut(text(field(n, "apiVersion")), "/")
	if !hasGroup {
		group = ""
	}
	o := Object{
		Document:  d,
		Group:     group,
		Kind:      text(field(n, "kind")),
		Namespace: text(field(metadata, "namespace")),
		Name:      text(field(metadata, "name")),
		Labels:    texts(field(metadata, "labels")),
		pointer:   pointer,
		node:      n,
	}
	if o.Name == "" {
		o.Name = text(field(metadata, "generateName"))
	}
	return o
}

// JSON returns the object, numbers as they are written.
func (o Object) JSON() ([]byte, error) { return toJSON(o.node) }

// Annotations returns the object's own.
func (o Object) Annotations() map[string]string {
	return texts(field(field(o.node, "metadata"), "annotations"))
}

// Apply changes the object in its document.
func (o Object) Apply(operations []jsonpatch.Operation) error {
	if len(operations) == 0 {
		return nil
	}
	if err := o.Document.prepare(); err != nil {
		return err
	}
	for _, op := range operations {
		if err := apply(o.node, op); err != nil {
			return err
		}
	}
	return nil
}

// prepare is called before a change.
func (d *Document) prepare() error {
	if d.twice != nil {
		return located(d.File, d.twice)
	}
	d.remember()
	d.changed = true
	return nil
}

// Template is a Pod, or the pod template of a workload.
type Template struct {
	Object
	// inner leads from the object to the template; it is empty for a Pod.
	inner string
}

// IsPod says that the template is a Pod itself, with no workload around it.
func (t Template) IsPod() bool { return t.inner == "" }

// Has says whether a field of the template is there, and not null.
func (t Template) Has(pointer string) bool {
	tokens, err := parsePointer(pointer)
	if err != nil {
		return false
	}
	n, err := find(t.node(), tokens)
	return err == nil && n.ShortTag() != tagNull
}

// JSON returns the Pod or pod template, numbers as they are written.
func (t Template) JSON() ([]byte, error) { return toJSON(t.node()) }

// Apply changes the template in its document.
func (t Template) Apply(operations []jsonpatch.Operation) error {
	if len(operations) == 0 {
		return nil
	}
	if err := t.Document.prepare(); err != nil {
		return err
	}
	for _, op := range operations {
		if err := apply(t.node(), op); err != nil {
			return err
		}
	}
	return nil
}

// node is looked up each time: an operation may replace it.
func (t Template) node() *yaml.Node {
	tokens, err := parsePointer(t.inner)
	if err != nil {
		return nil
	}
	n, err := find(t.Object.node, tokens)
	if err != nil || n.ShortTag() == tagNull {
		return nil
	}
	return n
}

// field returns a field's value, nil where it is missing or null.
func field(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	at := fieldAt(n, name)
	if at < 0 || n.Content[at+1].ShortTag() == tagNull {
		return nil
	}
	return n.Content[at+1]
}

// text returns a string; anything else is as good as missing here, and an
// error to the API server.
func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.ShortTag() != tagString {
		return ""
	}
	if _, isBool := oldBool(n); isBool {
		return ""
	}
	return n.Value
}

func texts(n *yaml.Node) map[string]string {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	all := make(map[string]string, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		if name, err := nameOf(n.Content[i]); err == nil {
			all[name] = text(n.Content[i+1])
		}
	}
	return all
}
