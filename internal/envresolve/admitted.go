package envresolve

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Admitted is what admission did to the environment of a container.
type Admitted struct {
	// Added and Changed are the names of variables, sorted, that another webhook or
	// policy added, or whose value it changed.
	Added, Changed []string
	// Objects were added to envFrom by another.
	Objects []Source
	// Bound are the names of the author's literals that envgraft bound to a key.
	Bound []string
	// Container says that the template does not have the container.
	Container bool
}

// What another webhook or policy does to a variable.
const (
	ByAnotherAdded   = "added"
	ByAnotherChanged = "changed"
)

// Admit compares an admitted container with its author's, the template.
// envgraft adds env entries only for names that are there, and changes no value,
// so whatever else is new is another's: a literal that envgraft has bound since,
// too. own are the objects that envgraft adds to envFrom.
func Admit(template, admitted corev1.Container, own ...Source) Admitted {
	values := map[string][]string{}
	for _, e := range template.Env {
		if e.ValueFrom == nil {
			values[e.Name] = append(values[e.Name], e.Value)
		} else if values[e.Name] == nil {
			values[e.Name] = []string{}
		}
	}
	var a Admitted
	for _, e := range admitted.Env {
		have, there := values[e.Name]
		switch {
		case !there:
			a.Added = append(a.Added, e.Name)
		case e.ValueFrom == nil && !slices.Contains(have, e.Value):
			a.Changed = append(a.Changed, e.Name)
		case e.ValueFrom != nil && len(have) > 0:
			a.Bound = append(a.Bound, e.Name)
		}
	}
	for _, names := range []*[]string{&a.Added, &a.Changed, &a.Bound} {
		slices.Sort(*names)
		*names = slices.Compact(*names)
	}
	for _, from := range template.EnvFrom {
		own = append(own, objectOf(from))
	}
	for _, from := range admitted.EnvFrom {
		if object := objectOf(from); !slices.Contains(own, object) && !slices.Contains(a.Objects, object) {
			a.Objects = append(a.Objects, object)
		}
	}
	return a
}

// AdmitAll is Admit for all containers of an admitted pod, by name.
func AdmitAll(template, admitted corev1.PodSpec, own ...Source) map[string]Admitted {
	templates := map[string]corev1.Container{}
	for _, c := range slices.Concat(template.InitContainers, template.Containers) {
		templates[c.Name] = c
	}
	all := map[string]Admitted{}
	for _, c := range slices.Concat(admitted.InitContainers, admitted.Containers) {
		of, there := templates[c.Name]
		a := Admit(of, c, own...)
		a.Container = !there
		all[c.Name] = a
	}
	return all
}

// ByAnother says what another did to a variable: ByAnotherAdded,
// ByAnotherChanged or nothing.
func (a Admitted) ByAnother(v Variable) string {
	switch {
	case slices.Contains(a.Added, v.Name), slices.Contains(a.Objects, Source{Kind: v.From.Kind, Name: v.From.Name}):
		return ByAnotherAdded
	case slices.Contains(a.Changed, v.Name):
		return ByAnotherChanged
	}
	return ""
}
