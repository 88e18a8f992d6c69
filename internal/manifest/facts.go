package manifest

import (
	"encoding/base64"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/identity"
)

// Facts returns the Namespaces and ConfigMaps of the stream. A ConfigMap that
// states no namespace is of the given one.
func (s *Stream) Facts(namespace string) facts.Static {
	static := facts.Static{
		Namespaces: map[string]identity.Namespace{},
		ConfigMaps: map[types.NamespacedName][]string{},
	}
	for _, o := range s.Objects() {
		switch {
		case o.Group != "":
		case o.Kind == "Namespace":
			static.Namespaces[o.Name] = identity.Namespace{
				Name: o.Name, Labels: o.Labels, Annotations: texts(field(field(o.node, "metadata"), "annotations")),
			}
		case o.Kind == "ConfigMap":
			name := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
			if name.Namespace == "" {
				name.Namespace = namespace
			}
			static.ConfigMaps[name] = names(field(o.node, "data"))
		}
	}
	return static
}

// ConfigMaps returns the data of a namespace's ConfigMaps, by name. One that
// states no namespace is of the given one.
func (s *Stream) ConfigMaps(namespace, otherwise string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, o := range s.Objects() {
		own := o.Namespace
		if own == "" {
			own = otherwise
		}
		if o.Group == "" && o.Kind == "ConfigMap" && own == namespace {
			all[o.Name] = texts(field(o.node, "data"))
		}
	}
	return all
}

// Secrets is ConfigMaps for Secrets. It leaves out what is no base64, which the API
// server refuses.
func (s *Stream) Secrets(namespace, otherwise string) map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, o := range s.Objects() {
		own := o.Namespace
		if own == "" {
			own = otherwise
		}
		if o.Group != "" || o.Kind != "Secret" || own != namespace {
			continue
		}
		data := map[string]string{}
		for key, text := range texts(field(o.node, "data")) {
			if value, err := base64.StdEncoding.DecodeString(text); err == nil {
				data[key] = string(value)
			}
		}
		maps.Copy(data, texts(field(o.node, "stringData")))
		all[o.Name] = data
	}
	return all
}

// names returns the sorted names of a mapping's fields, never nil.
func names(n *yaml.Node) []string {
	all := []string{}
	if n == nil || n.Kind != yaml.MappingNode {
		return all
	}
	for i := 0; i < len(n.Content); i += 2 {
		if name, err := nameOf(n.Content[i]); err == nil {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
