package ui

import (
	"fmt"
	"net/url"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/envgraft/envgraft/internal/doctor"
)

func (p listPage) html() g.Node {
	rows := each(p.Rows, row.html)
	if len(p.Rows) == 0 {
		rows = lines(h.Tr(h.Td(h.ColSpan("7"), g.Text("No app matches."))))
	}
	return document("Apps", foot(p.At),
		h.H1(g.Text("Apps of "+p.Scope)),
		each(p.Broken, func(f doctor.Finding) g.Node { return fix("The installation has a broken link", f) }),
		h.Ul(h.Class("checks"), h.Aria("label", "The installation"), each(p.Installation, func(f doctor.Finding) g.Node {
			return h.Li(h.Class(class(f.Status)), h.Title(f.Message),
				g.Text(mark(f.Status)+" "+f.Check), h.Span(h.Class("aside"), g.Text(" "+string(f.Status))))
		})),
		notes(p.Notes),
		search(Path, p.Filter.Text, p.namespaceChoice(), choice("Chain", "state", p.States, p.Filter.State),
			h.Button(g.Text("Show")), h.A(h.Href(Path), g.Text("Clear"))),
		h.P(h.Role("status"), g.Textf("%d of %d apps", p.Matching, p.All), g.If(p.Pages > 1, g.Textf(", page %d of %d", p.Page, p.Pages))),
		table([]string{"Namespace", "Workload", "SSM → ESO → Secret → pods", "Parameter", "Pods", "Rotated", "Problem"}, rows),
		g.If(p.Pages > 1, h.Nav(h.Aria("label", "Pages"), lines(
			g.If(p.Previous != "", h.A(h.Rel("prev"), h.Href(p.Previous), g.Text("Previous"))),
			g.If(p.Next != "", h.A(h.Rel("next"), h.Href(p.Next), g.Text("Next"))),
		))),
	)
}

// namespaceChoice has names to choose from, or, where there are too many, a
// field to type one in.
func (p listPage) namespaceChoice() g.Node {
	if len(p.Namespaces) > 0 || p.All == 0 {
		return choice("Namespace", "namespace", p.Namespaces, p.Filter.Namespace)
	}
	return h.Label(g.Text("Namespace "),
		h.Input(h.Name("namespace"), h.Value(p.Filter.Namespace), h.Placeholder("all"), h.MaxLength("63")))
}

func (r row) html() g.Node {
	kind := strings.ToLower(r.Kind)
	rotated := dash("")
	if r.Rotated != nil {
		rotated = moment(*r.Rotated)
	}
	return h.Tr(h.Class(r.State), lines(
		h.Td(g.Text(r.Namespace)),
		h.Th(h.Scope("row"), h.A(h.Href(Path+"apps/"+url.PathEscape(r.Namespace)+"/"+kind+"/"+url.PathEscape(r.Workload)), g.Text(kind+"/"+r.Workload))),
		h.Td(smallChain(r.Links)),
		h.Td(h.Code(dash(r.Parameter)), g.If(r.Version > 0, h.Span(h.Class("aside"), g.Textf(" version %d", r.Version)))),
		h.Td(dash(r.PodsText())),
		h.Td(rotated),
		h.Td(dash(r.Problem)),
	))
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
