package ui

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
)

func (p listPage) html() g.Node {
	rows := each(p.Rows, func(r row) g.Node { return r.html(p.At) })
	if len(p.Rows) == 0 {
		rows = lines(h.Tr(h.Td(h.ColSpan("6"), g.Text("No app matches."))))
	}
	return document("Apps", p.refresh, p.At,
		h.H1(g.Text("Apps of "+p.Scope)),
		each(p.Broken, func(f doctor.Finding) g.Node { return fix("The installation has a broken link", f) }),
		p.tiles(),
		p.installation(),
		notes(p.Notes),
		p.form(),
		h.P(h.Role("status"), g.Textf("%d of %d apps", p.Matching, p.All), g.If(p.Pages > 1, g.Textf(", page %d of %d", p.Page, p.Pages))),
		h.Div(h.Class("scroll wide"), h.TabIndex("0"), h.Role("region"), h.Aria("label", "Apps"),
			table("apps", []g.Node{
				p.sortable("App", sortName), p.sortable("Environment", sortEnvironment), g.Text("SSM to pods"), p.sortable("Pods", sortPods),
				p.sortable("Rotated", sortRotated), p.sortable("State", sortState),
			}, rows)),
		g.If(p.Pages > 1, h.Nav(h.Aria("label", "Pages"), lines(
			g.If(p.Previous != "", h.A(h.Rel("prev"), h.Href(p.Previous), g.Text("Previous"))),
			g.If(p.Next != "", h.A(h.Rel("next"), h.Href(p.Next), g.Text("Next"))),
		))),
	)
}

// tiles are the numbers of all apps; those of a state narrow the list to it.
func (p listPage) tiles() g.Node {
	one := func(state, label string, number int) g.Node {
		return h.Li(h.Class(class(state)), h.A(h.Href(p.query("state", state)), g.If(state == p.Filter.State, h.Aria("current", "true")),
			h.Strong(g.Textf("%d", number)), g.Text(label)))
	}
	plain := func(label string, number int) g.Node {
		return h.Li(h.Div(h.Strong(g.Textf("%d", number)), g.Text(label)))
	}
	return h.Ul(h.Class("tiles"), h.Aria("label", "All apps"), lines(
		one("", "apps", p.All), one(stateBroken, "broken", p.Count.States[stateBroken]),
		one(stateUnknown, "not known", p.Count.States[stateUnknown]), one(stateHealthy, "healthy", p.Count.States[stateHealthy]),
		plain("stale pods", p.Count.Pods.Stale+p.Count.Pods.NotInjected), plain("waiting pods", p.Count.Pods.Waiting),
	))
}

// installation lists the checks of envgraft itself, closed while all hold.
func (p listPage) installation() g.Node {
	if len(p.Installation) == 0 {
		return nil
	}
	return h.Details(g.If(len(p.Broken) > 0, g.Attr("open")),
		h.Summary(g.Textf("Installation: %d checks, %d broken", len(p.Installation), len(p.Broken))),
		h.Ul(h.Class("checks"), h.Aria("label", "The installation"), each(p.Installation, func(f doctor.Finding) g.Node {
			return h.Li(badge(f.Status, f.Check+": "+string(f.Status), f.Message))
		})))
}

func (p listPage) form() g.Node {
	return search(Path, p.Filter.Text,
		names("System", "system", p.Systems, p.Filter.System), names("Environment", "environment", p.Environments, p.Filter.Environment),
		names("Namespace", "namespace", p.Namespaces, p.Filter.Namespace), choice("State", "state", p.States, p.Filter.State),
		choice("Sort by", "sort", sorts(), p.Filter.Sort), hidden("refresh", p.refresh),
		h.Button(g.Text("Show")), h.A(h.Href(Path), g.Text("Clear")))
}

// names is a choice of names, or, where there are too many, a field to type one in.
func names(label, name string, values []string, chosen string) g.Node {
	if len(values) > 0 {
		return choice(label, name, values, chosen)
	}
	return h.Label(g.Text(label+" "), h.Input(h.Name(name), h.Value(chosen), h.Placeholder("all"), h.MaxLength("63")))
}

// sortable is the head of a column, which sorts by it.
func (p listPage) sortable(label string, by sortBy) g.Node {
	if p.Filter.Sort == by {
		return g.Text(label + " ▾")
	}
	return h.A(h.Href(p.query("sort", string(by))), g.Text(label))
}

func (r row) html(at time.Time) g.Node {
	kind := strings.ToLower(r.Kind)
	rotated, rotatedClass := dash(""), h.Class("none")
	if r.Rotated != nil {
		rotated, rotatedClass = ago(*r.Rotated, at), nil
	}
	return h.Tr(h.Class(r.State), lines(
		h.Th(h.Scope("row"), h.A(h.Href(Path+"apps/"+url.PathEscape(r.Namespace)+"/"+kind+"/"+url.PathEscape(r.Workload)), g.Text(kind+"/"+r.Workload)),
			h.Span(h.Class("aside line"), g.Text(r.Namespace))),
		h.Td(g.Attr("data-label", "Environment"), dash(r.Environment), h.Span(h.Class("aside line"), g.Text(r.System))),
		h.Td(smallChain(r.Links)),
		h.Td(g.Attr("data-label", "Pods"), bar(r.Pods), h.Span(h.Class("aside"), dash(r.Pods.String()))),
		h.Td(g.Attr("data-label", "Rotated"), rotatedClass, rotated, g.If(r.Version > 0, h.Span(h.Class("aside line"), g.Textf("version %d", r.Version)))),
		h.Td(badge(r.State, r.State, r.Parameter), g.If(r.Problem != "", h.Span(h.Class("why"), g.Text(r.Problem)))),
	))
}

// bar shows how many pods are in which state.
func bar(c doctor.Counts) g.Node {
	parts := []struct {
		state  clusterview.Freshness
		number int
	}{
		{clusterview.Fresh, c.Fresh},
		{clusterview.Replacing, c.Replacing},
		{clusterview.Waiting, c.Waiting},
		{clusterview.Unsure, c.NotKnown},
		{clusterview.Stale, c.Stale},
		{clusterview.Uninjected, c.NotInjected},
	}
	total := 0
	for _, part := range parts {
		total += part.number
	}
	if total == 0 {
		return nil
	}
	picture := g.Group{h.Class("bar"), g.Attr("viewBox", "0 0 100 4"), g.Attr("preserveAspectRatio", "none"), h.Aria("hidden", "true")}
	x := 0.0
	for _, part := range parts {
		if part.number == 0 {
			continue
		}
		width := 100 * float64(part.number) / float64(total)
		picture = append(picture, g.El("rect", h.Class(class(part.state)), g.Attr("x", fmt.Sprintf("%.1f", x)),
			g.Attr("width", fmt.Sprintf("%.1f", width)), g.Attr("height", "4")))
		x += width
	}
	return h.SVG(picture)
}

// smallChain is the picture of a chain within a line.
func smallChain(links [3]Link) g.Node {
	picture := g.Group{
		h.Class("small"), g.Attr("viewBox", "0 0 148 16"), h.Role("img"),
		h.Aria("label", fmt.Sprintf("SSM to ESO: %s; ESO to Secret: %s; Secret to pods: %s", links[0].State, links[1].State, links[2].State)),
	}
	for i, at := range []struct{ path, x string }{{"M12 8H44", "28"}, {"M56 8H92", "74"}, {"M104 8H136", "120"}} {
		picture = append(picture, g.El("g", h.Class(class(links[i].State)),
			g.El("path", g.Attr("d", at.path)), g.El("text", g.Attr("x", at.x), g.Attr("y", "6"), g.Text(mark(links[i].State)))))
	}
	for _, x := range []string{"7", "50", "98", "141"} {
		picture = append(picture, g.El("circle", g.Attr("cx", x), g.Attr("cy", "8"), g.Attr("r", "4")))
	}
	return h.SVG(picture)
}
