package ui

import (
	"strconv"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
)

func (p appPage) html() g.Node {
	id := p.Identity
	return document(p.String()+" in "+p.Namespace, p.refresh, p.At,
		h.H1(g.Text(p.String()+" "), h.Span(h.Class("aside"), g.Text("in namespace "+p.Namespace))),
		g.If(id.App != "", h.P(g.Textf("App %s of system %s, environment %s", id.App, id.System, id.Environment))),
		h.Ol(h.Class("chain"), h.Aria("label", "From SSM to the pods"), p.Chain.html()),
		g.Iff(p.Broken != nil, func() g.Node { return fix("The broken link", *p.Broken) }),
		notes(p.Notes),
		h.H2(h.ID("environment"), g.Text("Environment of the next pod")),
		search("#environment", p.Filter.Text, choice("Container", "container", p.Names, p.Filter.Container),
			choice("Tier", "tier", p.Tiers, p.Filter.Tier), hidden("refresh", p.refresh), h.Button(g.Text("Show"))),
		each(p.Containers, Container.html),
		h.H2(g.Text("Pods")),
		podTable(p.Pods),
		h.H2(g.Text("Versions of the parameter")),
		versionTable(p.Versions, p.At),
		g.If(p.History != "", h.P(g.Text("SSM keeps the last 100 versions. With AWS credentials, list them:"))),
		g.If(p.History != "", h.Pre(h.Class("command"), h.TabIndex("0"), g.Text(p.History))),
		h.H2(g.Text("Events")),
		eventTable(p.Events, p.At),
		h.H2(g.Text("Checks")),
		scrolled("Checks", table("", headings("Check", "Status", "What was found"), each(p.Findings, func(f doctor.Finding) g.Node {
			return h.Tr(h.Th(h.Scope("row"), g.Text(f.Check)), h.Td(badge(f.Status, string(f.Status), "")), h.Td(dash(f.Message)))
		}))),
	)
}

// html is the items of a list, a link before each node but the first.
func (c Chain) html() g.Group {
	var items g.Group
	for i, node := range c.Nodes {
		if i > 0 {
			state := c.Links[i-1].State
			items = append(items, h.Li(h.Class("link "+class(state)), arrow(state), h.Span(g.Text(marked(state)))))
		}
		items = append(items, h.Li(h.Class("node"), h.Strong(g.Text(node.Title)), h.Code(dash(node.Name)), h.Span(g.Text(node.Detail))))
	}
	return lines(items...)
}

func arrow(state doctor.Status) g.Node {
	return h.SVG(h.Class("arrow "+class(state)), g.Attr("viewBox", "0 0 64 16"), h.Aria("hidden", "true"), g.Attr("focusable", "false"),
		g.El("path", g.Attr("d", "M2 8H60M54 3l7 5-7 5")))
}

func (c Container) html() g.Node {
	kind := "Container"
	if c.Init {
		kind = "Init container"
	}
	shown := h.P(g.Text("No variable is shown."))
	if len(c.Variables) > 0 {
		shown = scrolled(kind+" "+c.Name, table("", headings("Name", "Tier", "From", "Shadows"), each(c.Variables, Variable.html)))
	}
	return lines(h.H3(g.Text(kind+" "+c.Name)), shown,
		g.If(len(c.Unknown) > 0, h.P(h.Class("aside"), g.Textf("The keys of %s are not known: there may be more.", join(c.Unknown)))))
}

func (v Variable) html() g.Node {
	shadows := dash("")
	if len(v.Shadows) > 0 {
		shadows = h.Code(g.Text(join(v.Shadows)))
	}
	return h.Tr(h.Th(h.Scope("row"), h.Code(g.Text(v.Name))), h.Td(h.Class("tier-"+string(v.Tier)), g.Text(string(v.Tier))),
		h.Td(h.Code(g.Text(v.From))), h.Td(shadows))
}

// scrolled keeps a table that is wider than the window from widening the page.
func scrolled(label string, table g.Node) g.Node {
	return h.Div(h.Class("scroll"), h.TabIndex("0"), h.Role("region"), h.Aria("label", label), table)
}

func podTable(pods []Pod) g.Node {
	if len(pods) == 0 {
		return h.P(g.Text("None was seen."))
	}
	return scrolled("Pods", table("", headings("Pod", "Version", "Data", "Why"), each(pods, func(p Pod) g.Node {
		version := ""
		if p.Version != 0 {
			version = strconv.FormatInt(p.Version, 10)
		}
		return h.Tr(h.Th(h.Scope("row"), g.Text(p.Name)), h.Td(dash(version)),
			h.Td(badge(p.Freshness, string(p.Freshness), "")), h.Td(dash(p.Why)))
	})))
}

// versionTable shows which pods run with which version.
func versionTable(versions []Version, at time.Time) g.Node {
	if len(versions) == 0 {
		return h.P(g.Text("None is recorded."))
	}
	return scrolled("Versions of the parameter", table("", headings("Version", "Put", "Pods", ""), each(versions, func(v Version) g.Node {
		number, put, newest := "not known", dash(""), dash("")
		if v.Number != 0 {
			number = strconv.FormatInt(v.Number, 10)
		}
		if !v.Modified.IsZero() {
			put = ago(v.Modified, at)
		}
		if v.Recorded {
			newest = g.Text("the newest that envgraft knows")
		}
		return h.Tr(h.Th(h.Scope("row"), g.Text(number)), h.Td(put), h.Td(bar(v.Pods), h.Span(g.Text(v.Pods.String()))), h.Td(newest))
	})))
}

func eventTable(events []clusterview.Event, at time.Time) g.Node {
	if len(events) == 0 {
		return h.P(g.Text("None was seen about the workload. Kubernetes keeps Events for an hour."))
	}
	return scrolled("Events", table("", headings("Last seen", "Type", "Reason", "Message"), each(events, func(e clusterview.Event) g.Node {
		return h.Tr(h.Th(h.Scope("row"), ago(e.At, at)), h.Td(g.Text(e.Type)), h.Td(g.Text(e.Reason)), h.Td(g.Text(e.Message)))
	})))
}

func (p errorPage) html() g.Node {
	return document(strconv.Itoa(p.Code)+" "+p.Status, "", time.Time{},
		h.H1(g.Text(p.Status)),
		h.P(h.Class("problem"), g.Text(p.Message)),
		h.P(h.A(h.Href(Path), g.Text("All apps"))),
	)
}
