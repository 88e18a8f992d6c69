package output

import (
	"bytes"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/envgraft/envgraft/internal/terminal"
)

// Palette colours what a terminal shows. Its zero value colours nothing.
type Palette struct{ enabled bool }

// NewPalette colours for a terminal, unless NO_COLOR (https://no-color.org) is set.
func NewPalette(w io.Writer) Palette {
	return Palette{enabled: os.Getenv("NO_COLOR") == "" && IsTerminal(w)}
}

// IsTerminal says whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// TerminalWidth is the number of columns of a terminal; 0 for anything else.
func TerminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// Paint colours a text that others may have written.
func (p Palette) Paint(color int, text string) terminal.Safe {
	if !p.enabled {
		return terminal.Safe(terminal.Line(text))
	}
	return terminal.Color(color, text)
}

// Rows are a table of columns.
type Rows struct{ w *tabwriter.Writer }

// NewRows begins a table.
func NewRows(out *bytes.Buffer) Rows { return Rows{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)} }

// Row writes cells, each of which is foreign text unless it is terminal.Safe.
func (r Rows) Row(cells ...any) {
	format := strings.Repeat("\t%s", len(cells))[1:] + "\n"
	_, _ = terminal.Fprintf(r.w, format, cells...)
}

// Cells are the cells of a row of texts.
func Cells(texts []string) []any {
	cells := make([]any, len(texts))
	for i, text := range texts {
		cells[i] = text
	}
	return cells
}

// Flush writes the table: columns are as wide as their widest cell.
func (r Rows) Flush() { _ = r.w.Flush() } // a buffer takes all

// The colours, as ANSI numbers. All have two digits: tabwriter counts escape
// sequences as text, and columns are straight where each row has the same.
const (
	Default = 39
	Red     = 31
	Green   = 32
	Yellow  = 33
	Cyan    = 36
)
