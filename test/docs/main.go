// Command docs generates the pages of docs/ that the code defines: the commands with
// their flags, and the labels and annotations. Its tests check all documents.
package main

import (
	"fmt"
	"os"
	"strings"
)

const notice = "<!-- Written by make generate from %s; do not edit. -->\n\n"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		os.Exit(1)
	}
}

func run() error {
	keys, err := annotations("internal/api/keys.go")
	if err != nil {
		return err
	}
	for file, text := range map[string]string{"docs/cli.md": commands(), "docs/annotations.md": keys} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// cell keeps text from ending a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}
