package ui

import (
	"fmt"
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

// document is a whole page. refresh is the interval that the reader chose, in
// seconds; at is when the data was read, zero for a page without any.
func document(title, refresh string, at time.Time, content ...g.Node) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"), lines(
		h.Head(lines(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("color-scheme"), h.Content("light dark")),
			h.TitleEl(g.Text(title+" – envgraft")),
			h.Link(h.Rel("stylesheet"), h.Href(Path+"style.css")),
			h.Script(h.Src(Path+"copy.js"), h.Defer()),
		)),
		h.Body(lines(
			h.A(h.Class("skip"), h.Href("#main"), g.Text("Skip to the content")),
			h.Header(h.A(h.Class("brand"), h.Href(Path), g.Text("envgraft")), g.If(!at.IsZero(), asOf(refresh, at))),
			h.Main(h.ID("main"), h.TabIndex("-1"), lines(content...)),
			g.If(!at.IsZero(), h.Footer(g.Text("These pages show no value of a variable."))),
		)),
	)))
}

// refreshes are the intervals to choose from, in seconds; the empty one is never.
func refreshes() []string { return []string{"", "10", "30", "60"} }

// asOf is when the data was read, and how often the page is loaded again: by the
// browser, on the header Refresh.
func asOf(refresh string, at time.Time) g.Node {
	return h.Div(h.Class("refresh"), h.Span(g.Text("as of "), moment(at)), h.Span(g.Text("refresh:"), g.Map(refreshes(), func(seconds string) g.Node {
		label := "off"
		if seconds != "" {
			label = seconds + " s"
		}
		if seconds == refresh {
			return g.Group{g.Text(" "), h.Strong(g.Text(label))}
		}
		return g.Group{g.Text(" "), h.A(h.Href("?refresh="+seconds), g.Text(label))}
	})))
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

func moment(t time.Time) g.Node {
	return h.Time(h.DateTime(t.UTC().Format(time.RFC3339)), g.Text(t.UTC().Format("2006-01-02 15:04:05 UTC")))
}

// ago is how long before the page's data something was; a pointer over it sees when.
func ago(t, at time.Time) g.Node {
	stamp := t.UTC().Format(time.RFC3339)
	return h.Time(h.DateTime(stamp), h.Title(stamp), g.Text(since(at.Sub(t))))
}

func since(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", d/time.Hour)
	}
	return fmt.Sprintf("%d days ago", d/(24*time.Hour))
}

// notes say what was not seen.
func notes(texts []string) g.Node {
	if len(texts) == 0 {
		return nil
	}
	return h.Ul(h.Class("notes"), h.Aria("label", "What was not seen"),
		each(texts, func(text string) g.Node { return h.Li(g.Text(text)) }))
}

// fix is a broken link with the command that fixes it, or what to ask its owner for.
func fix(label string, f doctor.Finding) g.Node {
	return h.Section(h.Class("card"), h.Aria("label", label), lines(
		h.P(h.Class("problem"), g.Textf("%s %s: %s", mark(f.Status), f.Check, f.Message)),
		g.If(f.Ask != "", h.P(g.Textf("Ask %s.", f.Ask))),
		g.If(f.Fix != "", h.P(g.Text("To fix it:"))),
		g.If(f.Fix != "", h.Pre(h.Class("command"), h.TabIndex("0"), g.Text(f.Fix))),
	))
}

// table is one with a head.
func table(class string, columns []g.Node, rows g.Group) g.Node {
	return h.Table(g.If(class != "", h.Class(class)), lines(
		h.THead(h.Tr(g.Map(columns, func(name g.Node) g.Node { return h.Th(h.Scope("col"), name) }))),
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

// headings are columns that are not links.
func headings(columns ...string) []g.Node {
	return g.Map(columns, g.Text)
}

// hidden keeps a value over a form; nothing where there is none.
func hidden(name, value string) g.Node {
	if value == "" {
		return nil
	}
	return h.Input(h.Type("hidden"), h.Name(name), h.Value(value))
}

// badge is a state as a word, with its sign and colour.
func badge[T ~string](state T, text, title string) g.Node {
	return h.Span(h.Class("badge "+class(state)), g.If(title != "", h.Title(title)), g.Text(mark(state)+" "+text))
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
		"✓": {"ok", "fresh", "healthy"}, "✗": {"broken", "stale", "not injected"}, "!": {"warning"}, "?": {"not seen", "not known", "not-known", "waiting"},
	} {
		if slices.Contains(states, string(state)) {
			return sign
		}
	}
	return "–"
}

func marked[T ~string](state T) string { return mark(state) + " " + string(state) }
