package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Columns is kubectl's custom-columns, as HEADER:.field,HEADER:.field.
const Columns = "custom-columns="

// column is one of custom-columns.
type column struct {
	header string
	path   []string
}

// CheckColumns says what is wrong with a text that WriteColumns gets.
func CheckColumns(text string) error {
	_, err := parseColumns(text)
	return err
}

// parseColumns reads "NAME:.workload,STALE:.pods.stale".
func parseColumns(text string) ([]column, error) {
	var columns []column
	for entry := range strings.SplitSeq(text, ",") {
		header, path, found := strings.Cut(entry, ":")
		path = strings.Trim(path, "{}")
		if !found || header == "" || !strings.HasPrefix(path, ".") || len(path) < 2 {
			return nil, fmt.Errorf("cannot read column %q: use HEADER:.field, as PROBLEM:.problem or STALE:.pods.stale; -o json shows the fields", entry)
		}
		columns = append(columns, column{header, strings.Split(path[1:], ".")})
	}
	return columns, nil
}

// WriteColumns writes chosen fields of the JSON form; what one does not have is
// "<none>", as with kubectl.
func WriteColumns[T any](w io.Writer, text string, all []T) error {
	columns, err := parseColumns(text)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	rows := NewRows(&out)
	var cells []string
	for _, c := range columns {
		cells = append(cells, c.header)
	}
	rows.Row(Cells(cells)...)
	for _, one := range all {
		raw, err := json.Marshal(one)
		if err != nil {
			return err
		}
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return err
		}
		cells = cells[:0]
		for _, c := range columns {
			cells = append(cells, c.of(value))
		}
		rows.Row(Cells(cells)...)
	}
	rows.Flush()
	_, err = w.Write(out.Bytes())
	return err
}

// of is the field of a decoded object.
func (c column) of(value any) string {
	for _, key := range c.path {
		object, ok := value.(map[string]any)
		if !ok {
			return "<none>"
		}
		value = object[key]
	}
	switch v := value.(type) {
	case nil:
		return "<none>"
	case string:
		return v
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return "<none>"
		}
		return string(raw)
	}
}
