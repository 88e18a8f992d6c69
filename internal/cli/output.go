package cli

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
	formatTable = "table"
	formatWide  = "wide"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatName  = "name"
)

// formats are those of commands that show what is in a cluster.
func formats() []string { return []string{formatTable, formatWide, formatJSON, formatYAML, formatName} }

// writeNames writes a name a line, each once.
func writeNames[T any](w io.Writer, all []T, name func(T) string) error {
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

// writeValue writes a value for machines.
func writeValue(w io.Writer, format string, value any) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return err
	}
	if format != formatYAML {
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
