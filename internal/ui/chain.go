package ui

import (
	"fmt"
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

// LinksOf sums up the checks, by the one list of links that internal/doctor has.
func LinksOf(findings []doctor.Finding) [3]Link {
	var links [3]Link
	for i, stage := range doctor.Stages(findings) {
		links[i] = Link(stage)
	}
	return links
}

// ChainOf is the picture of an app that was read in full.
func ChainOf(app *clusterview.App, findings []doctor.Finding) Chain {
	c := Chain{Links: LinksOf(findings), Nodes: [4]Node{
		{Title: "SSM parameter"}, {Title: "ExternalSecret"}, {Title: "Secret"}, {Title: "Pods", Name: app.Workload.String()},
	}}
	if app.Pods.State == clusterview.Found {
		c.Nodes[3].Detail = count(app)
	} else {
		c.Nodes[3].Detail = "not seen"
	}
	if app.Subject.Status != graft.StatusInjected || !app.Subject.Settings.Secrets {
		for i := range 3 {
			c.Nodes[i].Detail = string(doctor.Unneeded)
			if !doctor.Healthy(findings) {
				c.Nodes[i].Detail = string(doctor.Unreached)
			}
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
		c.Nodes[1].Name = e.Name
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
	case e.Deleting():
		return "being deleted since " + e.DeletionTimestamp.UTC().Format(time.RFC3339)
	case e.Status.RefreshTime.IsZero():
		return "never synced"
	case !app.UnansweredSince().IsZero():
		return "last synced " + e.Status.RefreshTime.UTC().Format(time.RFC3339) + ", no answer since " + app.UnansweredSince().UTC().Format(time.RFC3339)
	case !e.SecretExists():
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
	if text := doctor.CountsOf(app).String(); text != "" {
		return text
	}
	return "none runs"
}

// linksOfLine is the picture of an app in a list.
func linksOfLine(l doctor.Line) [3]Link {
	var links [3]Link
	for i, state := range l.Stages {
		links[i].State = state
		if state == l.Severity {
			links[i].Why = l.Problem
		}
	}
	return links
}
