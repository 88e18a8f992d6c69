package config_test

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/envgraft/envgraft/internal/config"
)

// row is a field as docs/configuration.md must show it.
type row struct{ Field, Type, Default string }

func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []row
	line := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.*?) \\| (?:(.*?) )?\\| (?:(.*?) )?\\|$")
	for _, m := range line.FindAllStringSubmatch(string(data), -1) {
		got = append(got, row{Field: m[1], Type: m[2], Default: strings.ReplaceAll(m[3], "`", "")})
		if m[4] == "" && m[1] != "kind" {
			t.Errorf("field %s has no meaning in docs/configuration.md", m[1])
		}
	}
	want := rows(t, "", reflect.ValueOf(*config.Default()))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/configuration.md differs from the configuration's fields and defaults (-code +doc):\n%s", diff)
	}
}

// rows walks a struct and describes each field that a file can set.
func rows(t *testing.T, prefix string, v reflect.Value) []row {
	t.Helper()
	var all []row
	for field, value := range v.Fields() {
		if field.Anonymous {
			all = append(all, rows(t, prefix, value)...)
			continue
		}
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if key == "" {
			t.Fatalf("field %s of %s has no yaml name", field.Name, v.Type())
		}
		all = append(all, describe(t, prefix+key, value)...)
	}
	return all
}

func describe(t *testing.T, path string, v reflect.Value) []row {
	t.Helper()
	if v.Type() == reflect.TypeFor[*time.Duration]() {
		return []row{{path, "duration", ""}}
	}
	if d, ok := reflect.TypeAssert[time.Duration](v); ok {
		text := regexp.MustCompile(`([hm])0[sm].*$`).ReplaceAllString(d.String(), "$1")
		return []row{{path, "duration", text}}
	}
	switch v.Kind() {
	case reflect.Struct:
		return rows(t, path+".", v)
	case reflect.Bool:
		return []row{{path, "boolean", fmt.Sprint(v)}}
	case reflect.Int:
		return []row{{path, "integer", fmt.Sprint(v)}}
	case reflect.Float64:
		return []row{{path, "number", fmt.Sprint(v)}}
	case reflect.String:
		kind := "string"
		if strings.HasPrefix(path, "names.") {
			kind = "template"
		}
		return []row{{path, kind, v.String()}}
	case reflect.Slice:
		return describeList(t, path, v)
	}
	t.Fatalf("field %s has type %s, which this test cannot describe", path, v.Type())
	return nil
}

func describeList(t *testing.T, path string, v reflect.Value) []row {
	t.Helper()
	var items []string
	for i := range v.Len() {
		var node yaml.Node
		if err := node.Encode(v.Index(i).Interface()); err != nil {
			t.Fatal(err)
		}
		node.Style = yaml.FlowStyle
		text, err := yaml.Marshal(&node)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, strings.TrimSpace(string(text)))
	}
	list := row{path, "list of strings", strings.Join(items, ", ")}
	if v.Type().Elem().Kind() != reflect.Struct {
		return []row{list}
	}
	list.Type = "list"
	return append([]row{list}, rows(t, path+"[].", reflect.Zero(v.Type().Elem()))...)
}
