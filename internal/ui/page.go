package ui

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
)

// perPage keeps a page of a large cluster small.
const perPage = 100

// maxChoices keeps a choice of names short enough to be used.
const maxChoices = 1000

// The states that the list can be narrowed to.
const (
	stateBroken  = "broken"
	stateHealthy = "healthy"
	stateUnknown = "not-known"
)

// listPage is the page of all apps.
type listPage struct {
	Overview

	Rows []row
	// Matching and All count apps.
	Matching, All int
	Broken        []doctor.Finding
	// Count sums up all apps, whatever the filter is.
	Count summary
	// Systems, Environments and Namespaces are those of all apps; nil where there
	// are too many to choose from.
	Systems, Environments, Namespaces []string
	Filter                            filter
	States                            []string
	refresh                           string
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

// summary counts apps by their state, and pods.
type summary struct {
	States map[string]int
	Pods   doctor.Counts
}

func (s *summary) add(r row) {
	s.States[r.State]++
	s.Pods.Stale += r.Pods.Stale
	s.Pods.NotInjected += r.Pods.NotInjected
	s.Pods.Waiting += r.Pods.Waiting
}

// sortBy is what the list is sorted by.
type sortBy string

// The columns to sort by.
const (
	sortName        sortBy = "name"
	sortEnvironment sortBy = "environment"
	sortPods        sortBy = "pods"
	sortRotated     sortBy = "rotated"
	sortState       sortBy = "state"
)

func sorts() []sortBy { return []sortBy{sortName, sortEnvironment, sortPods, sortRotated, sortState} }

// filter is what the reader asked for.
type filter struct {
	Text, System, Environment, Namespace, State string
	Sort                                        sortBy
}

// choiceOf bounds a choice, so that it is short enough to be used.
func choiceOf(names map[string]struct{}) []string {
	if len(names) > maxChoices {
		return nil // the reader types the name
	}
	return slices.Sorted(maps.Keys(names))
}

func newListPage(o Overview, query url.Values) listPage {
	p := listPage{
		Overview: o, All: len(o.Apps), States: []string{stateBroken, stateHealthy, stateUnknown},
		Filter: filter{
			Text: strings.TrimSpace(query.Get("q")), System: query.Get("system"), Environment: query.Get("environment"),
			Namespace: query.Get("namespace"), State: query.Get("state"), Sort: sortBy(query.Get("sort")),
		},
		Count: summary{States: map[string]int{}}, refresh: refreshOf(query),
	}
	if !slices.Contains(sorts(), p.Filter.Sort) {
		p.Filter.Sort = sortName
	}
	for _, f := range o.Installation {
		if f.Status == doctor.Broken {
			p.Broken = append(p.Broken, f)
		}
	}
	// Rows are made of the page's apps alone: several pages are made at a time,
	// by whoever asks, of all apps of a cluster.
	var matching []int
	systems, environments, namespaces := map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}
	for i, l := range o.Apps {
		systems[l.System], environments[l.Environment], namespaces[l.Namespace] = struct{}{}, struct{}{}, struct{}{}
		r := rowOf(l)
		p.Count.add(r)
		if p.Filter.matches(r) {
			matching = append(matching, i)
		}
	}
	p.Systems, p.Environments, p.Namespaces = choiceOf(systems), choiceOf(environments), choiceOf(namespaces)
	slices.SortStableFunc(matching, func(a, b int) int { return p.Filter.Sort.compare(o.Apps[a], o.Apps[b]) })
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

// compare orders what needs attention first: most stale pods, newest rotation,
// broken before not known before healthy.
func (s sortBy) compare(a, b doctor.Line) int {
	switch s {
	case sortName: // the overview's own order
	case sortEnvironment:
		return cmp.Or(cmp.Compare(a.System, b.System), cmp.Compare(a.Environment, b.Environment))
	case sortPods:
		return cmp.Compare(b.Pods.Stale+b.Pods.NotInjected+b.Pods.Waiting, a.Pods.Stale+a.Pods.NotInjected+a.Pods.Waiting)
	case sortRotated:
		return rotation(b).Compare(rotation(a))
	case sortState:
		states := []string{stateBroken, stateUnknown, stateHealthy}
		return cmp.Compare(slices.Index(states, rowOf(a).State), slices.Index(states, rowOf(b).State))
	}
	return 0
}

func rotation(l doctor.Line) time.Time {
	if l.Rotated == nil {
		return time.Time{}
	}
	return *l.Rotated
}

// query is this page's with one value changed, from its first page.
func (p listPage) query(key, value string) string {
	query := url.Values{}
	for key, value := range map[string]string{
		"q": p.Filter.Text, "system": p.Filter.System, "environment": p.Filter.Environment, "namespace": p.Filter.Namespace,
		"state": p.Filter.State, "sort": string(p.Filter.Sort), "refresh": p.refresh,
	} {
		if value != "" && !(key == "sort" && value == string(sortName)) {
			query.Set(key, value)
		}
	}
	query.Set(key, value)
	if value == "" {
		query.Del(key)
	}
	return "?" + query.Encode()
}

// beside is the query of another page with the same filter.
func (p listPage) beside(step int) string {
	page := p.Page + step
	if page < 1 || page > p.Pages {
		return ""
	}
	return p.query("page", strconv.Itoa(page))
}

// refreshOf is the interval that a query asks for, in seconds; empty for none.
func refreshOf(query url.Values) string {
	if seconds := query.Get("refresh"); slices.Contains(refreshes(), seconds) {
		return seconds
	}
	return ""
}

func stateOf(links [3]Link) string {
	state := stateHealthy
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
	for _, one := range []struct{ wanted, is string }{
		{f.System, r.System}, {f.Environment, r.Environment}, {f.Namespace, r.Namespace}, {f.State, r.State},
	} {
		if one.wanted != "" && one.wanted != one.is {
			return false
		}
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

	refresh string
}

// environmentFilter narrows the variables that are shown.
type environmentFilter struct {
	Text, Container string
	Tier            graft.Tier
}

func newAppPage(app App, query url.Values) appPage {
	p := appPage{
		App: app, refresh: refreshOf(query), Tiers: []graft.Tier{graft.TierParameter, graft.TierConfigMap, graft.TierPod},
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
