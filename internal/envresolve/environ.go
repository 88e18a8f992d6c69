// Package envresolve computes the environment that a container's process gets,
// by the kubelet's rules: the entries of envFrom in their order, a later one
// over an earlier one; then those of env, which beat them all. See
// makeEnvironmentVariables in
// https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/kubelet_pods.go.
// It knows names and where values come from, never a value.
package envresolve

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// The kinds of sources.
const (
	KindSecret        = "Secret"
	KindConfigMap     = "ConfigMap"
	KindLiteral       = "Literal"
	KindField         = "FieldRef"
	KindResourceField = "ResourceFieldRef"
	KindFile          = "FileKeyRef"
)

// Source is where a variable's value comes from.
type Source struct {
	Kind string
	// Name is the object's, the container's field path, or empty for a literal.
	Name string
	// Key is the object's key; empty for a whole object and for fields.
	Key string
}

// String writes a source as "Secret/myapp-secrets[DATABASE_URL]".
func (s Source) String() string {
	switch {
	case s.Name == "":
		return s.Kind
	case s.Key == "":
		return s.Kind + "/" + s.Name
	}
	return fmt.Sprintf("%s/%s[%s]", s.Kind, s.Name, s.Key)
}

// Variable is a name in the environment.
type Variable struct {
	Name string
	From Source
	// Shadows are the sources that would have given the name a value, had those
	// above them not: the next in line first.
	Shadows []Source
}

// Keys returns the keys of a Secret or ConfigMap, and whether they are known.
// An object that is known to be missing has no keys.
type Keys func(kind, name string) (keys []string, known bool)

// Compute returns the variables by name, and the objects whose keys are not
// known and which may therefore hold more. Service links and what the
// container runtime and the image add are not among them.
func Compute(c corev1.Container, keys Keys) (variables []Variable, unknown []Source) {
	stacks := map[string][]Source{} // lowest first
	for _, from := range c.EnvFrom {
		object := objectOf(from)
		names, known := keys(object.Kind, object.Name)
		if !known {
			unknown = append(unknown, object)
			continue
		}
		for _, key := range names {
			name := from.Prefix + key
			stacks[name] = append(stacks[name], Source{Kind: object.Kind, Name: object.Name, Key: key})
		}
	}
	for _, e := range c.Env {
		source, optional := sourceOf(e)
		if optional && absent(source, keys) {
			continue // the kubelet skips it: an earlier value stays
		}
		stacks[e.Name] = append(stacks[e.Name], source)
	}
	for _, name := range slices.Sorted(maps.Keys(stacks)) {
		stack := stacks[name]
		slices.Reverse(stack)
		variables = append(variables, Variable{Name: name, From: stack[0], Shadows: stack[1:]})
	}
	return variables, unknown
}

// objectOf returns the whole object that an envFrom entry takes.
func objectOf(from corev1.EnvFromSource) Source {
	switch {
	case from.SecretRef != nil:
		return Source{Kind: KindSecret, Name: from.SecretRef.Name}
	case from.ConfigMapRef != nil:
		return Source{Kind: KindConfigMap, Name: from.ConfigMapRef.Name}
	}
	return Source{}
}

// sourceOf returns where an env entry's value comes from, and whether its
// absence is forgiven.
func sourceOf(e corev1.EnvVar) (source Source, optional bool) {
	from := e.ValueFrom
	switch {
	case from == nil:
		return Source{Kind: KindLiteral}, false
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		return Source{Kind: KindSecret, Name: ref.Name, Key: ref.Key}, ref.Optional != nil && *ref.Optional
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		return Source{Kind: KindConfigMap, Name: ref.Name, Key: ref.Key}, ref.Optional != nil && *ref.Optional
	case from.FieldRef != nil:
		return Source{Kind: KindField, Name: from.FieldRef.FieldPath}, false
	case from.ResourceFieldRef != nil:
		return Source{Kind: KindResourceField, Name: from.ResourceFieldRef.Resource}, false
	case from.FileKeyRef != nil:
		ref := from.FileKeyRef
		return Source{Kind: KindFile, Name: ref.Path, Key: ref.Key}, ref.Optional != nil && *ref.Optional
	}
	return Source{Kind: KindLiteral}, false
}

// absent says that a key is known not to be there.
func absent(source Source, keys Keys) bool {
	if source.Kind != KindSecret && source.Kind != KindConfigMap {
		return false
	}
	names, known := keys(source.Kind, source.Name)
	return known && !slices.Contains(names, source.Key)
}
