package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
)

// Chain is the picture: parameter, ExternalSecret, Secret and pods, and what
// leads from each to the next.
type Chain struct {
	Nodes [4]Node
	Links [3]Link
}

// Node is one object of the chain.
type Node struct {
	Title, Name, Detail string
}

// Link says whether what comes from one node arrives at the next.
type Link struct {
	State doctor.Status
	// Why is the finding that decided.
	Why string
}

// The rule: a link is as its worst check says. Those of the webhook belong to
// the last: it is what gives the Secret to the pods.
func checksOfLinks() [3][]string {
	return [3][]string{
		{"operator", "externalsecret", "store", "parameter"},
		{"sync", "secret"},
		{
			"configuration", "envgraft", "webhook", "certificate", "namespace", "labels", "admission",
			"configmap", "pods", "reloader", "annotations",
		},
	}
}

// worst orders statuses: what is broken is never hidden by what was not seen.
func worst(status doctor.Status) int {
	return slices.Index([]doctor.Status{doctor.Unneeded, doctor.OK, doctor.Unseen, doctor.Unreached, doctor.Broken}, status)
}

// LinksOf sums up the checks.
func LinksOf(findings []doctor.Finding) [3]Link {
	var links [3]Link
	for i, names := range checksOfLinks() {
		links[i].State = doctor.Unneeded
		for _, f := range findings {
			if slices.Contains(names, f.Check) && worst(f.Status) > worst(links[i].State) {
				links[i] = Link{f.Status, said(f)}
			}
		}
	}
	return links
}

func said(f doctor.Finding) string {
	if f.Message == "" {
		return f.Check
	}
	return f.Check + ": " + f.Message
}

// ChainOf is the picture of an app that was read in full.
func ChainOf(app *clusterview.App, findings []doctor.Finding) Chain {
	c := Chain{Links: LinksOf(findings), Nodes: [4]Node{
		{Title: "SSM parameter"}, {Title: "ExternalSecret"}, {Title: "Secret"}, {Title: "Pods", Name: app.Workload.String()},
	}}
	// What comes behind a broken link was not examined, but ESO's own word is there.
	for i, known := range linksOfLine(app.Line()) {
		if i < 2 && c.Links[i].State == doctor.Unreached && (known.State == doctor.OK || known.State == doctor.Broken) {
			c.Links[i] = known
		}
	}
	if app.Pods.State == clusterview.Found {
		c.Nodes[3].Detail = count(app)
	} else {
		c.Nodes[3].Detail = "not seen"
	}
	if app.Subject.Status != graft.StatusInjected || !app.Subject.Settings.Secrets {
		for i := range 3 {
			c.Nodes[i].Detail = "not needed"
		}
		return c
	}
	id := app.Subject.Identity
	c.Nodes[0].Name, c.Nodes[1].Name, c.Nodes[2].Name = id.Parameter, id.ExternalSecret, id.Secret
	c.Nodes[0].Detail = "version not known"
	if version := app.Version(); version > 0 {
		c.Nodes[0].Detail = fmt.Sprintf("version %d", version)
	}
	c.Nodes[1].Detail = externalSecret(app)
	if e := app.ExternalSecret; e != nil {
		c.Nodes[1].Name = e.Metadata.Name
	}
	c.Nodes[2].Detail = secret(app)
	return c
}

func externalSecret(app *clusterview.App) string {
	e := app.ExternalSecret
	switch {
	case !app.ExternalSecrets.Known():
		return "not seen"
	case e == nil:
		return "does not exist"
	case e.Status.RefreshTime.IsZero():
		return "never synced"
	case !e.Synced():
		return "last synced " + e.Status.RefreshTime.UTC().Format(time.RFC3339) + ", failing now"
	}
	return "last synced " + e.Status.RefreshTime.UTC().Format(time.RFC3339)
}

func secret(app *clusterview.App) string {
	switch app.Secret.State {
	case clusterview.Found:
		return fmt.Sprintf("%d keys", len(app.Secret.Value.Keys))
	case clusterview.NotFound:
		return "does not exist"
	case clusterview.Unasked, clusterview.Forbidden, clusterview.Failed:
	}
	return "not seen"
}

// count says how many pods run, and with what.
func count(app *clusterview.App) string {
	counts := map[clusterview.Freshness]int{}
	for _, p := range app.Pods.Value {
		if !p.Ended() {
			counts[app.Judge(p).Freshness]++
		}
	}
	var texts []string
	for _, f := range []clusterview.Freshness{clusterview.Fresh, clusterview.Stale, clusterview.Bare, clusterview.Waiting, clusterview.Unsure} {
		if counts[f] > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", counts[f], f))
		}
	}
	if len(texts) == 0 {
		return "none runs"
	}
	return strings.Join(texts, ", ")
}

// linksOfLine is the picture by what a list tells: nothing was read of Secrets.
func linksOfLine(l clusterview.Line) [3]Link {
	links := [3]Link{{State: doctor.Unneeded}, {State: doctor.Unneeded}, {State: podsOf(l)}}
	if links[2].State == doctor.Broken {
		links[2].Why = l.Problem
	}
	switch l.Synced {
	case clusterview.SyncedYes:
		links[0].State, links[1].State = doctor.OK, doctor.OK
	case clusterview.SyncedNo:
		links[0] = Link{doctor.Broken, l.Problem}
		links[1].State = doctor.Unreached
	case clusterview.SyncedUnknown:
		links[0].State, links[1].State = doctor.Unseen, doctor.Unseen
	}
	return links
}

func podsOf(l clusterview.Line) doctor.Status {
	switch p := l.Pods; {
	case l.Parameter == "" && l.Problem != "", p.NotInjected > 0, p.Stale > 0:
		return doctor.Broken
	case p.NotKnown > 0:
		return doctor.Unseen
	case p.Fresh > 0:
		return doctor.OK
	}
	return doctor.Unneeded
}
