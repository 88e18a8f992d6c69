package envresolve

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// World answers what an environment is made of.
type World struct {
	// Data returns what a Secret or ConfigMap holds; found is false where it does
	// not exist.
	Data func(kind, name string) (data map[string]string, found bool)
	// Other returns the value of an entry that is not made of an object: a field of
	// the pod, a resource, a file.
	Other func(e corev1.EnvVar) (value string, err error)
}

// Values returns the environment with its values, by the kubelet's rules: env
// entries see what envFrom and the entries before them brought, in $(NAME). The
// problems are what the container would wait for, or what World could not answer;
// the environment then lacks it. Values that World returns appear in no problem.
func Values(c corev1.Container, w World) (env map[string]string, problems []error) {
	env = map[string]string{}
	for _, from := range c.EnvFrom {
		object := objectOf(from)
		data, found := w.Data(object.Kind, object.Name)
		if !found && !optionalSource(from) {
			problems = append(problems, fmt.Errorf("%s does not exist", object))
		}
		for key, value := range data {
			env[from.Prefix+key] = value
		}
	}
	for _, e := range c.Env {
		value, set, err := w.value(e, env)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("variable %s: %w", e.Name, err))
		case set:
			env[e.Name] = value
		}
	}
	return env, problems
}

func optionalSource(from corev1.EnvFromSource) bool {
	switch {
	case from.SecretRef != nil:
		return from.SecretRef.Optional != nil && *from.SecretRef.Optional
	case from.ConfigMapRef != nil:
		return from.ConfigMapRef.Optional != nil && *from.ConfigMapRef.Optional
	}
	return false
}

func (w World) value(e corev1.EnvVar, env map[string]string) (value string, set bool, err error) {
	if e.ValueFrom == nil || e.Value != "" {
		return Expand(e.Value, func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		}), true, nil
	}
	source, optional := sourceOf(e)
	if source.Kind != KindSecret && source.Kind != KindConfigMap {
		value, err = w.Other(e)
		return value, err == nil, err
	}
	data, found := w.Data(source.Kind, source.Name)
	value, set = data[source.Key]
	if set || optional {
		return value, set, nil
	}
	if !found {
		return "", false, fmt.Errorf("%s/%s does not exist", source.Kind, source.Name)
	}
	return "", false, fmt.Errorf("%s/%s has no key %q", source.Kind, source.Name, source.Key)
}

// Expand replaces $(NAME) by what lookup knows, and leaves what it does not know
// as it is; $$ is a dollar. Values are not expanded again. See
// https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go.
func Expand(text string, lookup func(name string) (value string, ok bool)) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String()
		case after == "":
			out.WriteByte('$')
			return out.String()
		case after[0] == '$':
			out.WriteByte('$')
			text = after[1:]
			continue
		case after[0] != '(':
			out.WriteByte('$')
			out.WriteRune(rune(after[0])) // the kubelet takes the byte for a character: "$é" becomes "$Ã\xa9"
			text = after[1:]
			continue
		}
		name, rest, closed := strings.Cut(after[1:], ")")
		if !closed {
			out.WriteString("$(")
			text = after[1:]
			continue
		}
		if value, ok := lookup(name); ok {
			out.WriteString(value)
		} else {
			out.WriteString("$(" + name + ")")
		}
		text = rest
	}
}
