package inspect

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/cli/output"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/terminal"
)

func paintTier(p output.Palette, t graft.Tier) terminal.Safe {
	colors := map[graft.Tier]int{graft.TierParameter: output.Green, graft.TierConfigMap: output.Cyan, graft.TierPod: output.Default}
	return p.Paint(colors[t], string(t))
}

func paintStatus(p output.Palette, s graft.Status) terminal.Safe {
	colors := map[graft.Status]int{
		graft.StatusInjected: output.Green, graft.StatusSkipped: output.Default,
		graft.StatusDenied: output.Red, graft.StatusAudited: output.Yellow, explain.StatusUnknown: output.Yellow,
	}
	return p.Paint(colors[s], string(s))
}

func paintFreshness(p output.Palette, f clusterview.Freshness) terminal.Safe {
	colors := map[clusterview.Freshness]int{
		clusterview.Fresh: output.Green, clusterview.Stale: output.Red, clusterview.Uninjected: output.Red,
		clusterview.Waiting: output.Yellow, clusterview.Replacing: output.Yellow, clusterview.Unsure: output.Default,
	}
	return p.Paint(colors[f], string(f))
}

// maxValue is what a table shows of a value; -o wide shows all.
const maxValue = 40

// writeTable prints explanations for people.
func writeTable(w io.Writer, explanations []explain.Explanation, p output.Palette, wide bool) error {
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

func writeExplanation(out *bytes.Buffer, e explain.Explanation, p output.Palette, wide bool) {
	terminal.Appendf(out, "%s %s/%s (%s): %s", e.Kind, e.Namespace, e.Name, e.From, paintStatus(p, e.Status))
	if e.Message != "" {
		terminal.Appendf(out, ": %s", e.Message)
	}
	out.WriteByte('\n')
	if e.Identity.App != "" {
		writeIdentity(out, e)
	}
	for _, w := range e.Warnings {
		terminal.Appendf(out, "  %s %s\n", p.Paint(output.Yellow, "warning:"), w.Message)
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
	rows := output.NewRows(out)
	rows.Row("  app", fmt.Sprintf("%s (system %s, environment %s)", id.App, id.System, id.Environment))
	rows.Row("  parameter", id.Parameter+versionOf(e.Live))
	rows.Row("  Secret", fmt.Sprintf("%s (of ExternalSecret %s)%s", id.Secret, id.ExternalSecret, syncOf(e.Live)))
	rows.Row("  ConfigMap", id.ConfigMap)
	rows.Flush()
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
func writeLive(out *bytes.Buffer, l *explain.Live, p output.Palette) {
	for _, note := range l.Notes {
		terminal.Appendf(out, "  %s %s\n", p.Paint(output.Yellow, "note:"), note)
	}
	for _, right := range l.NotSeen {
		terminal.Appendf(out, "  %s you may not %s\n", p.Paint(output.Yellow, "not seen:"), right)
	}
	if len(l.Pods) == 0 {
		return
	}
	out.WriteByte('\n')
	rows := output.NewRows(out)
	rows.Row("  POD", "VERSION", p.Paint(output.Default, "DATA"), "WHY")
	for _, pod := range l.Pods {
		version := "-"
		if pod.Version > 0 {
			version = strconv.FormatInt(pod.Version, 10)
		}
		rows.Row("  "+pod.Name, version, paintFreshness(p, pod.Freshness), cmp.Or(pod.Why, "-"))
	}
	rows.Flush()
	for _, pod := range l.Pods {
		for _, d := range pod.Differs {
			terminal.Appendf(out, "  %s pod %s, container %s: %s is %s; the next pod's is %s\n",
				p.Paint(output.Yellow, "differs:"), pod.Name, d.Container, d.Name, explain.SourceOr(d.Was), explain.SourceOr(d.Becomes))
		}
	}
}

func writeContainer(out *bytes.Buffer, c explain.Container, values bool, p output.Palette, wide bool) {
	kind := "container"
	if c.Init {
		kind = "init container"
	}
	terminal.Appendf(out, "\n  %s %s%s\n", kind, c.Name, byAnother(c.ByAnotherWebhook))
	if len(c.Env) > 0 {
		rows := output.NewRows(out)
		header := []any{"    NAME", p.Paint(output.Default, "TIER"), "FROM", "SHADOWS"}
		if values {
			header = append(header, "VALUE")
		}
		rows.Row(header...)
		for _, v := range c.Env {
			cells := []any{"    " + v.Name, paintTier(p, v.Tier), sourceOf(v), strings.Join(orDash(shadowsOf(v)), ", ")}
			if values {
				cells = append(cells, showValue(v.Value, wide))
			}
			rows.Row(cells...)
		}
		rows.Flush()
	}
	for _, object := range c.Unknown {
		terminal.Appendf(out, "    %s keys of %s not known\n", p.Paint(output.Yellow, "note:"), object)
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
