package ui

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
)

// perPage keeps a page of a large cluster small.
const perPage = 100

// mostNamespaces keeps the choice of one short enough to be used.
const mostNamespaces = 1000

// The states that the list can be narrowed to.
const (
	stateBroken  = "broken"
	stateWhole   = "whole"
	stateUnknown = "not-known"
)

// listPage is the page of all apps.
type listPage struct {
	Overview

	Rows []row
	// Matching and All count apps.
	Matching, All int
	Broken        []doctor.Finding
	Namespaces    []string
	Filter        filter
	States        []string
	// Previous and Next are the queries of the pages beside; empty at the ends.
	Previous, Next string
	Page, Pages    int
}

// row is one app of the list.
type row struct {
	doctor.Line

	Links [3]Link
	State string
}

func rowOf(l doctor.Line) row {
	links := linksOfLine(l)
	return row{l, links, stateOf(links)}
}

// filter is what the reader asked for.
type filter struct {
	Text, Namespace, State string
}

func newListPage(o Overview, query url.Values) listPage {
	p := listPage{
		Overview: o, All: len(o.Apps), States: []string{stateBroken, stateWhole, stateUnknown},
		Filter: filter{Text: strings.TrimSpace(query.Get("q")), Namespace: query.Get("namespace"), State: query.Get("state")},
	}
	for _, f := range o.Installation {
		if f.Status == doctor.Broken {
			p.Broken = append(p.Broken, f)
		}
	}
	// Rows are made of the page's apps alone: several pages are made at a time,
	// by whoever asks, of all apps of a cluster.
	var matching []int
	for i, l := range o.Apps {
		if i == 0 || o.Apps[i-1].Namespace != l.Namespace {
			p.Namespaces = append(p.Namespaces, l.Namespace)
		}
		if p.Filter.matches(rowOf(l)) {
			matching = append(matching, i)
		}
	}
	slices.Sort(p.Namespaces)
	if p.Namespaces = slices.Compact(p.Namespaces); len(p.Namespaces) > mostNamespaces {
		p.Namespaces = nil // the reader types the name
	}
	p.Matching = len(matching)
	p.Pages = max(1, (len(matching)+perPage-1)/perPage)
	page, err := strconv.Atoi(query.Get("page"))
	if err != nil {
		page = 1
	}
	p.Page = min(max(page, 1), p.Pages)
	for _, i := range matching[min((p.Page-1)*perPage, len(matching)):min(p.Page*perPage, len(matching))] {
		p.Rows = append(p.Rows, rowOf(o.Apps[i]))
	}
	p.Previous, p.Next = p.beside(-1), p.beside(1)
	return p
}

// beside is the query of another page with the same filter.
func (p listPage) beside(step int) string {
	page := p.Page + step
	if page < 1 || page > p.Pages {
		return ""
	}
	query := url.Values{"page": {strconv.Itoa(page)}}
	for key, value := range map[string]string{"q": p.Filter.Text, "namespace": p.Filter.Namespace, "state": p.Filter.State} {
		if value != "" {
			query.Set(key, value)
		}
	}
	return "?" + query.Encode()
}

func stateOf(links [3]Link) string {
	state := stateWhole
	for _, l := range links {
		switch l.State {
		case doctor.Broken:
			return stateBroken
		case doctor.Unseen, doctor.Unreached:
			state = stateUnknown
		case doctor.OK, doctor.Warning, doctor.Unneeded:
		}
	}
	return state
}

func (f filter) matches(r row) bool {
	if f.Namespace != "" && f.Namespace != r.Namespace || f.State != "" && f.State != r.State {
		return false
	}
	if f.Text == "" {
		return true
	}
	text := strings.ToLower(strings.Join([]string{r.Namespace, r.Kind, r.Workload, r.App, r.Parameter, r.Problem}, "\n"))
	return strings.Contains(text, strings.ToLower(f.Text))
}

// appPage is the page of one app.
type appPage struct {
	App

	// Broken is the first broken link; nil where all hold.
	Broken *doctor.Finding
	// Names are those of all containers.
	Names  []string
	Tiers  []graft.Tier
	Filter environmentFilter
}

// environmentFilter narrows the variables that are shown.
type environmentFilter struct {
	Text, Container string
	Tier            graft.Tier
}

func newAppPage(app App, query url.Values) appPage {
	p := appPage{
		App: app, Tiers: []graft.Tier{graft.TierParameter, graft.TierConfigMap, graft.TierPod},
		Filter: environmentFilter{
			Text: strings.TrimSpace(query.Get("q")), Container: query.Get("container"), Tier: graft.Tier(query.Get("tier")),
		},
	}
	for i := range app.Findings {
		if app.Findings[i].Status == doctor.Broken {
			p.Broken = &app.Findings[i]
			break
		}
	}
	p.Containers = nil
	for _, c := range app.Containers {
		p.Names = append(p.Names, c.Name)
		if p.Filter.Container == "" || p.Filter.Container == c.Name {
			c.Variables = slices.DeleteFunc(slices.Clone(c.Variables), func(v Variable) bool { return !p.Filter.matches(v) })
			p.Containers = append(p.Containers, c)
		}
	}
	return p
}

func (f environmentFilter) matches(v Variable) bool {
	return (f.Text == "" || strings.Contains(strings.ToLower(v.Name+"\n"+v.From), strings.ToLower(f.Text))) &&
		(f.Tier == "" || f.Tier == v.Tier)
}

type errorPage struct {
	Code            int
	Status, Message string
}
