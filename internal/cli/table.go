package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/envgraft/envgraft/internal/graft"
)

// palette colours what a terminal shows. Its zero value colours nothing.
type palette struct{ enabled bool }

// The colours, as ANSI numbers. All have two digits: tabwriter counts escape
// sequences as text, and columns are straight where each row has the same.
const (
	colorDefault = 39
	colorRed     = 31
	colorGreen   = 32
	colorYellow  = 33
	colorCyan    = 36
)

// newPalette colours for a terminal, unless NO_COLOR (https://no-color.org) is set.
func newPalette(w io.Writer) palette {
	file, ok := w.(*os.File)
	return palette{enabled: ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))}
}

func (p palette) paint(color int, text string) string {
	if !p.enabled {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", color, text)
}

func (p palette) tier(t graft.Tier) string {
	colors := map[graft.Tier]int{graft.TierParameter: colorGreen, graft.TierConfigMap: colorCyan, graft.TierPod: colorDefault}
	return p.paint(colors[t], string(t))
}

func (p palette) status(s graft.Status) string {
	colors := map[graft.Status]int{graft.StatusInjected: colorGreen, graft.StatusSkipped: colorDefault, graft.StatusDenied: colorRed}
	return p.paint(colors[s], string(s))
}

// writeTable prints explanations for people.
func writeTable(w io.Writer, explanations []explanation, p palette) error {
	var out bytes.Buffer
	for i, e := range explanations {
		if i > 0 {
			out.WriteByte('\n')
		}
		writeExplanation(&out, e, p)
	}
	if len(explanations) == 0 {
		out.WriteString("No pods and no pod templates found.\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeExplanation(out *bytes.Buffer, e explanation, p palette) {
	fmt.Fprintf(out, "%s %s/%s (%s): %s", e.Kind, e.Namespace, e.Name, e.file, p.status(e.Status))
	if e.Message != "" {
		fmt.Fprintf(out, ": %s", e.Message)
	}
	out.WriteByte('\n')
	if e.Identity.App != "" {
		writeIdentity(out, e)
	}
	for _, w := range e.Warnings {
		fmt.Fprintf(out, "  %s %s\n", p.paint(colorYellow, "warning:"), w.Message)
	}
	for _, c := range e.Containers {
		writeContainer(out, c, p)
	}
}

func writeIdentity(out *bytes.Buffer, e explanation) {
	id := e.Identity
	rows := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(rows, "  app\t%s (system %s, environment %s)\n", id.App, id.System, id.Environment)
	_, _ = fmt.Fprintf(rows, "  parameter\t%s\n", id.Parameter)
	_, _ = fmt.Fprintf(rows, "  Secret\t%s (of ExternalSecret %s)\n", id.Secret, id.ExternalSecret)
	_, _ = fmt.Fprintf(rows, "  ConfigMap\t%s\n", id.ConfigMap)
	_ = rows.Flush() // a buffer takes all
}

func writeContainer(out *bytes.Buffer, c explainedContainer, p palette) {
	kind := "container"
	if c.Init {
		kind = "init container"
	}
	fmt.Fprintf(out, "\n  %s %s\n", kind, c.Name)
	if len(c.Env) > 0 {
		rows := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintf(rows, "    NAME\t%s\tFROM\tHIDES\n", p.paint(colorDefault, "TIER"))
		for _, v := range c.Env {
			_, _ = fmt.Fprintf(rows, "    %s\t%s\t%s\t%s\n", v.Name, p.tier(v.Tier), v.From, strings.Join(orDash(v.Hides), ", "))
		}
		_ = rows.Flush() // a buffer takes all
	}
	for _, object := range c.Unknown {
		fmt.Fprintf(out, "    %s keys of %s not known\n", p.paint(colorYellow, "note:"), object)
	}
	if len(c.Env) == 0 && len(c.Unknown) == 0 {
		out.WriteString("    no variables\n")
	}
}

// orDash keeps a column from being empty, which would leave blanks at the end
// of lines.
func orDash(values []string) []string {
	if len(values) == 0 {
		return []string{"-"}
	}
	return values
}
