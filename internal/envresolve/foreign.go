package envresolve

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Foreign returns the names of the variables of an admitted container that
// another webhook or policy added, or whose value it changed, sorted. Template
// is the container as its author has it. envgraft adds entries only for names
// that are there, and changes no value, so whatever else is new is another's: a
// literal that envgraft has bound since, too.
func Foreign(template, admitted corev1.Container) []string {
	own := map[string][]string{}
	for _, e := range template.Env {
		own[e.Name] = append(own[e.Name], e.Value)
	}
	var names []string
	for _, e := range admitted.Env {
		values, there := own[e.Name]
		if !there || e.ValueFrom == nil && !slices.Contains(values, e.Value) {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
