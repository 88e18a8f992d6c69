package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/workload"
)

// TemplatePath says where a kind has its pod templates.
type TemplatePath struct {
	Kind string
	// Group is empty where every group's kind of this name is meant.
	Group string
	// Pointer is a JSON pointer, in which * stands for every item of a list.
	Pointer string
}

// ParseTemplatePath reads KIND=PATH, as "CloneSet=/spec/template" or
// "JobSet.jobset.x-k8s.io=.spec.replicatedJobs[*].template.spec.template".
func ParseTemplatePath(text string) (TemplatePath, error) {
	name, path, found := strings.Cut(text, "=")
	kind, group, _ := strings.Cut(name, ".")
	p := TemplatePath{Kind: kind, Group: group, Pointer: path}
	if strings.HasPrefix(path, ".") {
		p.Pointer = strings.NewReplacer("[*]", "/*", ".", "/").Replace(path)
	}
	if !found || kind == "" || len(p.Pointer) < 2 || p.Pointer[0] != '/' {
		return p, fmt.Errorf("%q is not KIND=PATH: use a kind and a JSON pointer, as CloneSet=/spec/template", text)
	}
	return p, nil
}

// Templates returns all Pods and pod templates in their order.
func (s *Stream) Templates() []Template {
	var templates []Template
	for _, o := range s.Objects() {
		for _, inner := range s.templatesOf(o) {
			t := Template{Object: o, inner: inner}
			// A patch for kustomize may have none.
			if t.node() != nil {
				templates = append(templates, t)
			}
		}
	}
	return templates
}

// templatesOf says where an object has its pod templates. The group counts: others
// have Jobs, too.
func (s *Stream) templatesOf(o Object) []string {
	for _, p := range s.TemplatePaths {
		if p.Kind == o.Kind && (p.Group == "" || p.Group == o.Group) {
			return everyPlace(o.node, p.Pointer, "")
		}
	}
	group := o.Group
	if group == "extensions" {
		group = workload.GroupApps
	}
	if k := workload.KindOf(schema.GroupKind{Group: group, Kind: o.Kind}); !k.IsZero() {
		return []string{k.Template}
	}
	switch {
	case o.Group == "" && o.Kind == "ReplicationController":
		return []string{"/spec/template"}
	case o.Group == "" && o.Kind == "PodTemplate":
		return []string{"/template"}
	}
	return nil
}

// everyPlace follows a pointer in which * stands for every item of a list.
func everyPlace(n *yaml.Node, pointer, at string) []string {
	before, after, found := strings.Cut(pointer, "/*")
	if !found || after != "" && after[0] != '/' {
		return []string{at + pointer}
	}
	tokens, err := parsePointer(before)
	if err != nil {
		return nil
	}
	list, err := find(n, tokens)
	if err != nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	var all []string
	for i, item := range list.Content {
		all = append(all, everyPlace(item, after, at+before+"/"+strconv.Itoa(i))...)
	}
	return all
}

// Unread is an object that seems to hold a pod template, of a kind whose templates
// are not read.
type Unread struct {
	Object
	// Path is what ParseTemplatePath takes.
	Path string
}

// Unread returns them in their order.
func (s *Stream) Unread() []Unread {
	var all []Unread
	for _, o := range s.Objects() {
		if o.Kind == "CustomResourceDefinition" || len(s.templatesOf(o)) > 0 {
			continue
		}
		name := o.Kind
		if o.Group != "" {
			name += "." + o.Group
		}
		for _, path := range slices.Compact(seeming(o.node, "")) {
			all = append(all, Unread{o, name + "=" + path})
		}
	}
	return all
}

// seeming finds what looks like a pod template: spec.containers, each with a name
// or an image.
func seeming(n *yaml.Node, pointer string) []string {
	var all []string
	switch n.Kind { //nolint:exhaustive // others hold nothing
	case yaml.MappingNode:
		containers := field(field(n, "spec"), "containers")
		if containers != nil && containers.Kind == yaml.SequenceNode && len(containers.Content) > 0 &&
			(field(containers.Content[0], "name") != nil || field(containers.Content[0], "image") != nil) {
			return []string{pointer}
		}
		for i := 0; i < len(n.Content); i += 2 {
			if name, err := nameOf(n.Content[i]); err == nil {
				all = append(all, seeming(n.Content[i+1], pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name))...)
			}
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			all = append(all, seeming(c, pointer+"/*")...)
		}
	}
	return all
}

// NoObjects returns an error that names each JSON document that is no Kubernetes
// object: most likely it is a parameter, whose values nobody wants printed.
func (s *Stream) NoObjects() error {
	var errs []error
	for _, d := range s.Documents {
		if d.root == nil || !bytes.HasPrefix(bytes.TrimLeft(d.raw, " \t\r\n"), []byte("{")) {
			continue
		}
		if field(d.root, "apiVersion") == nil && field(d.root, "kind") == nil {
			errs = append(errs, fmt.Errorf("%s:%d: this JSON is no Kubernetes object, for it has neither apiVersion nor kind: "+
				"if it is a parameter, give its directory as --parameters, and else keep it elsewhere", d.File, d.line))
		}
	}
	return errors.Join(errs...)
}
