package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads a configuration file over the defaults. It reports all fields
// that cannot be understood at once, each with the file's name and the line.
// (Of a mapping in which a field stands twice it reports only that.)
// It does not validate: what is valid depends on the Mode.
func Load(path string) (*Configuration, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read configuration: %w", err)
	}
	return parse(path, data)
}

// Parse reads a configuration file's content, as Load does.
func Parse(data []byte) (*Configuration, error) {
	return parse("configuration", data)
}

// parse names the file in every line of its error, so that each stands alone
// in a log.
func parse(file string, data []byte) (*Configuration, error) {
	c := Default()
	c.APIVersion, c.Kind = "", "" // a file must state them: no default stands in

	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	err := decoder.Decode(c)
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: it must start with apiVersion: %s and kind: %s", file, APIVersion, Kind)
	}
	problems := explain(err)
	// Where the decoder gave the document up as a whole, as one that is no
	// mapping, it is not the version that is missing.
	if err == nil || c.APIVersion != "" || c.Kind != "" {
		problems = append(checkVersion(c), problems...)
	}
	// Decode reads one document only; a second one would be ignored in silence.
	// After a syntax error the decoder has no more to say.
	if len(problems) == 0 && !errors.Is(decoder.Decode(new(yaml.Node)), io.EOF) {
		problems = append(problems, "more than one YAML document: write all fields into one")
	}
	if len(problems) == 0 {
		return c, nil
	}
	errs := make([]error, len(problems))
	for i, problem := range problems {
		errs[i] = fmt.Errorf("%s: %s", file, problem)
	}
	return nil, errors.Join(errs...)
}

func checkVersion(c *Configuration) []string {
	var problems []string
	for _, field := range []struct{ name, value, accepted string }{
		{"apiVersion", c.APIVersion, APIVersion},
		{"kind", c.Kind, Kind},
	} {
		switch field.value {
		case field.accepted:
		case "":
			problems = append(problems, fmt.Sprintf("%s is missing: use %q", field.name, field.accepted))
		default:
			problems = append(problems, fmt.Sprintf("%s is %q: use %q", field.name, field.value, field.accepted))
		}
	}
	return problems
}

// explain turns the decoder's error into a sentence per problem.
func explain(err error) []string {
	if err == nil {
		return nil
	}
	var typeError *yaml.TypeError
	if !errors.As(err, &typeError) {
		return []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	problems := make([]string, len(typeError.Errors))
	for i, problem := range typeError.Errors {
		problems[i] = explainProblem(problem)
	}
	return problems
}

// The decoder's words for the two mistakes that people make most.
var (
	unknownField = regexp.MustCompile(`^(line \d+): field (.*) not found in type (\S+)$`)
	wrongType    = regexp.MustCompile("(?s)^(line \\d+): cannot unmarshal !!(\\w+)(?: `(.*)`)? into (\\S+)$")
)

// explainProblem takes Go's types out of the decoder's words, which mean
// nothing to the person who wrote the file, and says what is accepted.
func explainProblem(problem string) string {
	if m := unknownField.FindStringSubmatch(problem); m != nil {
		if next, ok := movedFields()[m[3]+"."+m[2]]; ok {
			return fmt.Sprintf("%s: field %q has moved: write %s", m[1], m[2], next)
		}
		return fmt.Sprintf("%s: unknown field %q: the fields here are %s",
			m[1], m[2], strings.Join(fieldsOf(reflect.TypeFor[Configuration](), m[3]), ", "))
	}
	if m := wrongType.FindStringSubmatch(problem); m != nil {
		value := fmt.Sprintf("%q", m[3])
		if m[3] == "" {
			value = "a " + kindOfNode(m[2])
		}
		return fmt.Sprintf("%s: %s is not %s", m[1], value, accepted(m[4]))
	}
	return problem
}

// movedFields are fields of earlier versions, by their type and name, and what
// they are called now.
func movedFields() map[string]string {
	return map[string]string{
		"config.Reload.windows":       "restarts.windows",
		"config.Reload.maxConcurrent": "restarts.maxConcurrent",
		"config.Reload.readyTimeout":  "restarts.readyTimeout",
	}
}

func kindOfNode(tag string) string {
	switch tag {
	case "seq":
		return "list"
	case "map":
		return "mapping"
	}
	return tag
}

// accepted describes a field's Go type.
func accepted(goType string) string {
	switch goType {
	case "time.Duration":
		return `a duration, as in "300ms" or "5m"`
	case "bool":
		return "true or false"
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	}
	if strings.HasPrefix(goType, "[]") {
		return "a list"
	}
	if fields := fieldsOf(reflect.TypeFor[Configuration](), goType); fields != nil {
		return "a mapping of " + strings.Join(fields, ", ")
	}
	return "a string"
}

// fieldsOf returns the YAML names of the named struct's fields, where it is
// found in t.
func fieldsOf(t reflect.Type, name string) []string {
	switch t.Kind() {
	case reflect.Slice, reflect.Pointer:
		return fieldsOf(t.Elem(), name)
	case reflect.Struct:
	default:
		return nil
	}
	var names []string
	for field := range t.Fields() {
		if found := fieldsOf(field.Type, name); found != nil && t.String() != name {
			return found
		}
		if field.Anonymous {
			names = append(names, fieldsOf(field.Type, field.Type.String())...)
			continue
		}
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		names = append(names, key)
	}
	if t.String() != name {
		return nil
	}
	return names
}
