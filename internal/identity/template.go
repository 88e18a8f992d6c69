package identity

import (
	"fmt"
	"strings"
)

// The placeholders that a name template may hold.
const (
	placeholderSystem      = "{system}"
	placeholderApp         = "{app}"
	placeholderEnvironment = "{environment}"
)

// Template is a name with {system}, {app} and {environment} in it.
type Template string

// Expand puts an identity's parts in place of the placeholders. What stands in
// a part is no placeholder. It is done several times an admission, for which
// strings.NewReplacer is slow to make.
func (t Template) Expand(system, app, environment string) string {
	expanded := make([]byte, 0, len(t)+len(system)+len(app)+len(environment))
	for rest := string(t); ; {
		before, after, found := strings.Cut(rest, "{")
		expanded = append(expanded, before...)
		if !found {
			return string(expanded)
		}
		name, behind, closed := strings.Cut(after, "}")
		placeholder := ""
		if closed {
			placeholder = "{" + name + "}"
		}
		switch placeholder {
		case placeholderSystem:
			expanded = append(expanded, system...)
		case placeholderApp:
			expanded = append(expanded, app...)
		case placeholderEnvironment:
			expanded = append(expanded, environment...)
		default:
			expanded = append(expanded, '{')
			behind = after
		}
		rest = behind
	}
}

// Validate refuses placeholders that do not exist: "{sytem}" would otherwise
// end up in names as it stands.
func (t Template) Validate() error {
	rest := strings.NewReplacer(placeholderSystem, "", placeholderApp, "", placeholderEnvironment, "").Replace(string(t))
	if strings.ContainsAny(rest, "{}") {
		return fmt.Errorf("template %q has an unknown placeholder: use %s, %s and %s",
			string(t), placeholderSystem, placeholderApp, placeholderEnvironment)
	}
	if t == "" {
		return fmt.Errorf("template is empty")
	}
	return nil
}

// ValidateObjectName refuses a template that gives two apps of a namespace the
// same object: the second app would read the first one's.
func (t Template) ValidateObjectName() error {
	if err := t.Validate(); err != nil {
		return err
	}
	if !strings.Contains(string(t), placeholderApp) {
		return fmt.Errorf("template %q lacks %s: all apps of a namespace would share one object", string(t), placeholderApp)
	}
	return nil
}

// ValidateParameter refuses a template that tenancy cannot bind: the system
// must be a level of its own, or app "b-c" of system "a" could pass for app
// "c" of system "a-b".
func (t Template) ValidateParameter() error {
	if err := t.Validate(); err != nil {
		return err
	}
	if !strings.HasPrefix(string(t), "/") {
		return fmt.Errorf("template %q does not start with \"/\"", string(t))
	}
	for _, placeholder := range []string{placeholderSystem, placeholderApp} {
		if !strings.Contains(string(t)+"/", "/"+placeholder+"/") {
			return fmt.Errorf("template %q lacks %s as a level of its own, as in \"/{system}/{app}/{environment}/app\"", string(t), placeholder)
		}
	}
	return t.validateEnvironment()
}

// validateEnvironment has {environment} stand once, with nothing but fixed
// text beside it in its level: which environment a path names must be plain.
func (t Template) validateEnvironment() error {
	if strings.Count(string(t), placeholderEnvironment) > 1 {
		return fmt.Errorf("template %q has %s more than once", string(t), placeholderEnvironment)
	}
	for _, level := range t.levels() {
		if strings.Contains(level, placeholderEnvironment) && strings.Count(level, "{") > 1 {
			return fmt.Errorf("template %q joins %s to another placeholder: give it a level of its own", string(t), placeholderEnvironment)
		}
	}
	return nil
}

// levels splits a parameter's template.
func (t Template) levels() []string { return strings.Split(strings.TrimPrefix(string(t), "/"), "/") }

// environmentIn returns what stands in {environment}'s place in a path of
// these levels, and at which level; nothing where the path ends before it.
func (t Template) environmentIn(levels []string) (environment string, at int, ok bool) {
	for i, level := range t.levels() {
		head, tail, found := strings.Cut(level, placeholderEnvironment)
		if !found || i >= len(levels) {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(levels[i], head), tail)
		if head+name+tail != levels[i] {
			name = "" // what is there has not the form of an environment
		}
		return name, i, true
	}
	return "", 0, false
}

// fits says that a path of these levels may be the parameter of some app.
func (t Template) fits(levels []string) bool {
	own := t.levels()
	if len(own) != len(levels) {
		return false
	}
	for i, level := range own {
		if !strings.Contains(level, "{") && level != levels[i] {
			return false
		}
	}
	return true
}

// Prefix is the part of the template up to and with its {system} level,
// ending in "/": what tenancy holds a pod to.
func (t Template) Prefix() Template {
	head, _, _ := strings.Cut(string(t)+"/", "/"+placeholderSystem+"/")
	return Template(head + "/" + placeholderSystem + "/")
}
