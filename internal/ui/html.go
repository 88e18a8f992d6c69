package ui

import (
	"slices"
	"strings"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/envgraft/envgraft/internal/doctor"
)

// The rule: pages are made of nodes, whose texts and attributes are escaped.
// Templates would look for methods by name, for which the linker keeps those of
// all types: the program, and what of it lies in memory, was half as large again.

// document is a whole page; foot may be nil.
func document(title string, foot g.Node, content ...g.Node) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"), lines(
		h.Head(lines(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(title+" – envgraft")),
			h.Link(h.Rel("stylesheet"), h.Href(Path+"style.css")),
		)),
		h.Body(lines(
			h.A(h.Class("skip"), h.Href("#main"), g.Text("Skip to the content")),
			h.Header(h.A(h.Href(Path), g.Text("envgraft"))),
			h.Main(h.ID("main"), h.TabIndex("-1"), lines(content...)),
			foot,
		)),
	)))
}

// lines puts each node into a line of its own, for those who read the source.
func lines(nodes ...g.Node) g.Group {
	all := g.Group{g.Text("\n")}
	for _, node := range nodes {
		if node != nil {
			all = append(all, node, g.Text("\n"))
		}
	}
	return all
}

// each makes a line of each item.
func each[T any](items []T, node func(T) g.Node) g.Group { return lines(g.Map(items, node)...) }

func foot(at time.Time) g.Node {
	return h.Footer(g.Text("Read at "), moment(at), g.Text("; reload to read anew. No value of a variable is on these pages."))
}

func moment(t time.Time) g.Node { return h.Time(g.Text(t.UTC().Format(time.RFC3339))) }

// notes say what was not seen.
func notes(texts []string) g.Node {
	if len(texts) == 0 {
		return nil
	}
	return h.Ul(h.Class("notes"), h.Aria("label", "What was not seen"),
		each(texts, func(text string) g.Node { return h.Li(g.Text(text)) }))
}

// fix is a broken link with the command that fixes it, and whom to ask.
func fix(label string, f doctor.Finding) g.Node {
	return h.Section(h.Class("card"), h.Aria("label", label), lines(
		h.P(h.Class("problem"), g.Textf("%s %s: %s", mark(f.Status), f.Check, f.Message)),
		g.If(f.Ask != "", h.P(g.Textf("Ask %s.", f.Ask))),
		g.If(f.Fix != "", h.P(g.Text("To fix it:"))),
		g.If(f.Fix != "", h.Pre(h.TabIndex("0"), g.Text(f.Fix))),
	))
}

// table is one with a head.
func table(columns []string, rows g.Group) g.Node {
	return h.Table(lines(
		h.THead(h.Tr(g.Map(columns, func(name string) g.Node { return h.Th(h.Scope("col"), g.Text(name)) }))),
		h.TBody(rows),
	))
}

// search is a form that narrows what is shown.
func search(action, text string, choices ...g.Node) g.Node {
	return h.Form(h.Method("get"), h.Action(action), h.Role("search"), lines(append([]g.Node{
		h.Label(g.Text("Search "), h.Input(h.Type("search"), h.Name("q"), h.Value(text), h.MaxLength("200"))),
	}, choices...)...))
}

// choice is one of several values, or all.
func choice[T ~string](label, name string, values []T, chosen T) g.Node {
	return h.Label(g.Text(label+" "), h.Select(h.Name(name), h.Option(h.Value(""), g.Text("all")),
		each(values, func(value T) g.Node {
			return h.Option(g.If(value == chosen, h.Selected()), g.Text(string(value)))
		})))
}

// dash is a text, or what stands for none.
func dash(text string) g.Node {
	if text == "" {
		text = "–"
	}
	return g.Text(text)
}

func join(texts []string) string { return strings.Join(texts, ", ") }

// class is the style of a state.
func class[T ~string](state T) string { return strings.ReplaceAll(string(state), " ", "-") }

// mark is the sign of a state, for those who see no colours.
func mark[T ~string](state T) string {
	for sign, states := range map[string][]string{
		"✓": {"ok", "fresh"}, "✗": {"broken", "stale", "not injected"}, "!": {"warning"}, "?": {"not seen", "not known", "waiting"},
	} {
		if slices.Contains(states, string(state)) {
			return sign
		}
	}
	return "–"
}

func marked[T ~string](state T) string { return mark(state) + " " + string(state) }
