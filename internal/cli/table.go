package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/terminal"
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
	return palette{enabled: os.Getenv("NO_COLOR") == "" && isTerminal(w)}
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalWidth is the number of columns of a terminal; 0 for anything else.
func terminalWidth(w io.Writer) int {
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

func (p palette) paint(color int, text string) terminal.Safe {
	if !p.enabled {
		return terminal.Safe(terminal.Line(text))
	}
	return terminal.Color(color, text)
}

func (p palette) tier(t graft.Tier) terminal.Safe {
	colors := map[graft.Tier]int{graft.TierParameter: colorGreen, graft.TierConfigMap: colorCyan, graft.TierPod: colorDefault}
	return p.paint(colors[t], string(t))
}

func (p palette) status(s graft.Status) terminal.Safe {
	colors := map[graft.Status]int{
		graft.StatusInjected: colorGreen, graft.StatusSkipped: colorDefault,
		graft.StatusDenied: colorRed, graft.StatusAudited: colorYellow, explain.StatusUnknown: colorYellow,
	}
	return p.paint(colors[s], string(s))
}

func (p palette) freshness(f clusterview.Freshness) terminal.Safe {
	colors := map[clusterview.Freshness]int{
		clusterview.Fresh: colorGreen, clusterview.Stale: colorRed, clusterview.Bare: colorRed,
		clusterview.Waiting: colorYellow, clusterview.Replacing: colorYellow, clusterview.Unsure: colorDefault,
	}
	return p.paint(colors[f], string(f))
}

// maxValue is what a table shows of a value; -o wide shows all.
const maxValue = 40

// writeTable prints explanations for people.
func writeTable(w io.Writer, explanations []explain.Explanation, p palette, wide bool) error {
	var out bytes.Buffer
	for i, e := range explanations {
		if i > 0 {
			out.WriteByte('\n')
		}
		writeExplanation(&out, e, p, wide)
	}
	if len(explanations) == 0 {
		out.WriteString("No pods and no pod templates found.\n")
	}
	_, err := w.Write(out.Bytes())
	return err
}

func writeExplanation(out *bytes.Buffer, e explain.Explanation, p palette, wide bool) {
	terminal.Appendf(out, "%s %s/%s (%s): %s", e.Kind, e.Namespace, e.Name, e.From, p.status(e.Status))
	if e.Message != "" {
		terminal.Appendf(out, ": %s", e.Message)
	}
	out.WriteByte('\n')
	if e.Identity.App != "" {
		writeIdentity(out, e)
	}
	for _, w := range e.Warnings {
		terminal.Appendf(out, "  %s %s\n", p.paint(colorYellow, "warning:"), w.Message)
	}
	if e.Live != nil {
		writeLive(out, e.Live, p)
	}
	for _, c := range e.Containers {
		writeContainer(out, c, e.Live != nil, p, wide)
	}
}

func writeIdentity(out *bytes.Buffer, e explain.Explanation) {
	id := e.Identity
	rows := newRows(out)
	rows.row("  app", fmt.Sprintf("%s (system %s, environment %s)", id.App, id.System, id.Environment))
	rows.row("  parameter", id.Parameter+versionOf(e.Live))
	rows.row("  Secret", fmt.Sprintf("%s (of ExternalSecret %s)%s", id.Secret, id.ExternalSecret, syncOf(e.Live)))
	rows.row("  ConfigMap", id.ConfigMap)
	rows.flush()
}

// versionOf says which version of the parameter is the newest that is known.
func versionOf(l *explain.Live) string {
	if l == nil {
		return ""
	}
	text := ", version not known"
	if l.Parameter.Version > 0 {
		text = fmt.Sprintf(", version %d", l.Parameter.Version)
	}
	if l.Parameter.Since != nil {
		text += ", since " + l.Parameter.Since.Format(time.RFC3339)
	}
	return text
}

// syncOf says when ESO last synced.
func syncOf(l *explain.Live) string {
	switch {
	case l == nil:
		return ""
	case l.ExternalSecret == nil:
		return ", nothing that fills it was seen"
	case !l.ExternalSecret.Synced:
		return ", not synced: " + cmp.Or(l.ExternalSecret.Message, "External Secrets Operator has said nothing yet")
	case l.ExternalSecret.Refreshed == nil:
		return ", synced"
	}
	return ", last synced " + l.ExternalSecret.Refreshed.Format(time.RFC3339)
}

// writeLive prints the pods, and what could not be seen.
func writeLive(out *bytes.Buffer, l *explain.Live, p palette) {
	for _, note := range l.Notes {
		terminal.Appendf(out, "  %s %s\n", p.paint(colorYellow, "note:"), note)
	}
	for _, right := range l.NotSeen {
		terminal.Appendf(out, "  %s you may not %s\n", p.paint(colorYellow, "not seen:"), right)
	}
	if len(l.Pods) == 0 {
		return
	}
	out.WriteByte('\n')
	rows := newRows(out)
	rows.row("  POD", "VERSION", p.paint(colorDefault, "DATA"), "WHY")
	for _, pod := range l.Pods {
		version := "-"
		if pod.Version > 0 {
			version = strconv.FormatInt(pod.Version, 10)
		}
		rows.row("  "+pod.Name, version, p.freshness(pod.Freshness), cmp.Or(pod.Why, "-"))
	}
	rows.flush()
	for _, pod := range l.Pods {
		for _, d := range pod.Differs {
			terminal.Appendf(out, "  %s pod %s, container %s: %s is %s; the next pod's is %s\n",
				p.paint(colorYellow, "differs:"), pod.Name, d.Container, d.Name, explain.SourceOr(d.Was), explain.SourceOr(d.Becomes))
		}
	}
}

func writeContainer(out *bytes.Buffer, c explain.Container, values bool, p palette, wide bool) {
	kind := "container"
	if c.Init {
		kind = "init container"
	}
	terminal.Appendf(out, "\n  %s %s%s\n", kind, c.Name, byAnother(c.ByAnotherWebhook))
	if len(c.Env) > 0 {
		rows := newRows(out)
		header := []any{"    NAME", p.paint(colorDefault, "TIER"), "FROM", "SHADOWS"}
		if values {
			header = append(header, "VALUE")
		}
		rows.row(header...)
		for _, v := range c.Env {
			cells := []any{"    " + v.Name, p.tier(v.Tier), sourceOf(v), strings.Join(orDash(shadowsOf(v)), ", ")}
			if values {
				cells = append(cells, showValue(v.Value, wide))
			}
			rows.row(cells...)
		}
		rows.flush()
	}
	for _, object := range c.Unknown {
		terminal.Appendf(out, "    %s keys of %s not known\n", p.paint(colorYellow, "note:"), object)
	}
	if len(c.Env) == 0 && len(c.Unknown) == 0 {
		out.WriteString("    no variables\n")
	}
}

// byAnother names what another webhook or policy did.
func byAnother(did string) string {
	if did == "" {
		return ""
	}
	return " (" + did + " by another webhook)"
}

// sourceOf is the source, with its mark if it is another webhook's.
func sourceOf(v explain.Variable) string {
	if v.Tier != graft.TierPod {
		return v.From
	}
	return v.From + byAnother(v.ByAnotherWebhook)
}

// shadowsOf are the sources below, with a mark on the literal of another webhook
// that gave way to its key.
func shadowsOf(v explain.Variable) []string {
	shadows := slices.Clone(v.Shadows)
	if at := slices.Index(shadows, envresolve.KindLiteral); at >= 0 && v.Tier != graft.TierPod {
		shadows[at] += byAnother(v.ByAnotherWebhook)
	}
	return shadows
}

// showValue quotes what may be shown.
func showValue(value *string, wide bool) string {
	if value == nil {
		return "-"
	}
	runes := []rune(*value)
	if !wide && len(runes) > maxValue {
		return strconv.Quote(string(runes[:maxValue])) + "…"
	}
	return strconv.Quote(*value)
}

// orDash keeps a column from being empty, which would leave blanks at the end
// of lines.
func orDash(values []string) []string {
	if len(values) == 0 {
		return []string{"-"}
	}
	return values
}

// rows are a table of columns.
type rows struct{ w *tabwriter.Writer }

func newRows(out *bytes.Buffer) rows { return rows{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)} }

// row writes cells, each of which is foreign text unless it is terminal.Safe.
func (r rows) row(cells ...any) {
	format := strings.Repeat("\t%s", len(cells))[1:] + "\n"
	_, _ = terminal.Fprintf(r.w, format, cells...)
}

// cellsOf are the cells of a row of texts.
func cellsOf(texts []string) []any {
	cells := make([]any, len(texts))
	for i, text := range texts {
		cells[i] = text
	}
	return cells
}

func (r rows) flush() { _ = r.w.Flush() } // a buffer takes all
