package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/terminal"
)

// The formats of -o, kubectl's.
const (
	Table = "table"
	Wide  = "wide"
	JSON  = "json"
	YAML  = "yaml"
	Name  = "name"
)

// Formats are those of commands that show what is in a cluster.
func Formats() []string { return []string{Table, Wide, JSON, YAML, Name} }

// WriteNames writes a name a line, each once.
func WriteNames[T any](w io.Writer, all []T, name func(T) string) error {
	var out bytes.Buffer
	written := map[string]bool{}
	for _, one := range all {
		if n := name(one); !written[n] {
			written[n] = true
			terminal.Appendf(&out, "%s\n", n)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

// WriteValue writes a value for machines.
func WriteValue(w io.Writer, format string, value any) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	if format != YAML {
		_, err := w.Write(terminal.JSON(out.Bytes()))
		return err
	}
	text, err := yaml.JSONToYAML(out.Bytes())
	if err == nil {
		text, err = terminal.YAML(text)
	}
	if err != nil {
		return fmt.Errorf("cannot write YAML: %w", err)
	}
	_, err = w.Write(text)
	return err
}
