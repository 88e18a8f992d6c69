// Package uitest is a cluster for the pages of package ui to show: in tests,
// and in the picture of the documentation.
package uitest

import (
	"context"
	"fmt"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/ui"
)

// Hostile is what a tenant might write where names and messages are shown.
const Hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'</pre>`

// Cluster is a ui.Source of a few apps: whole, stale, failing and hostile.
type Cluster struct {
	// More apps beside, for pages.
	More int
}

var _ ui.Source = Cluster{}

func at() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func line(namespace, kind, workload string, version int64, synced string, pods doctor.Counts, problem string) doctor.Line {
	rotated := at().Add(-90 * time.Minute)
	l := doctor.Line{
		Namespace: namespace, Workload: workload, Kind: kind, App: workload, System: namespace, Environment: "stage",
		Parameter: "/" + namespace + "/" + workload + "/stage/app",
		Version:   version, Synced: synced, Pods: pods, Rotated: &rotated, Problem: problem,
	}
	l.Stages = [3]doctor.Status{doctor.OK, doctor.OK, doctor.OK}
	switch {
	case synced == doctor.SyncedNo:
		l.Link, l.Severity, l.Stages = "sync", doctor.Broken, [3]doctor.Status{doctor.OK, doctor.Broken, doctor.Unreached}
	case synced == doctor.SyncedUnknown:
		l.Link, l.Severity, l.Stages = "labels", doctor.Broken, [3]doctor.Status{doctor.Unreached, doctor.Unreached, doctor.Broken}
	case pods.Stale > 0:
		l.Link, l.Severity, l.Stages[2] = "pods", doctor.Broken, doctor.Broken
	}
	return l
}

// Overview implements ui.Source.
func (c Cluster) Overview(context.Context) (ui.Overview, error) {
	o := ui.Overview{
		Scope: "all namespaces", At: at(),
		Installation: []doctor.Finding{
			{Check: "configuration", Status: doctor.OK, Message: "read from ConfigMap envgraft-system/envgraft"},
			{Check: "envgraft", Status: doctor.OK, Message: "2 of 2 pods ready"},
			{Check: "webhook", Status: doctor.OK},
			{Check: "certificate", Status: doctor.OK},
			{Check: "operator", Status: doctor.OK},
			{Check: "store", Status: doctor.OK},
			{Check: "reloader", Status: doctor.Unseen, Message: "you may not list deployments.apps"},
		},
		Apps: []doctor.Line{
			line("billing", "CronJob", "invoices", 2, doctor.SyncedYes, doctor.Counts{}, ""),
			line("popapps", "Deployment", "myapp", 7, doctor.SyncedYes, doctor.Counts{Fresh: 3}, ""),
			line("popapps", "StatefulSet", "search", 4, doctor.SyncedYes, doctor.Counts{Fresh: 1, Stale: 2}, "pods run with older data"),
			line("shop", "Rollout", "cart", 0, doctor.SyncedNo, doctor.Counts{NotKnown: 2}, "SecretSyncedError: could not get secret data from provider"),
			line("shop", "Job", "migration-of-the-orders-database-to-the-new-schema-2026-03-01-a1", 3, doctor.SyncedYes, doctor.Counts{Waiting: 1}, ""),
			line("tenant", "Deployment", "web", 0, doctor.SyncedUnknown, doctor.Counts{NotKnown: 1}, Hostile),
		},
		Notes: []string{"you may not list deployments.apps"},
	}
	for i := range c.More {
		o.Apps = append(o.Apps, line("zoo", "Deployment", fmt.Sprintf("app-%04d", i), 1, doctor.SyncedYes, doctor.Counts{Fresh: 1}, ""))
	}
	return o, nil
}

// App implements ui.Source.
func (Cluster) App(_ context.Context, ref clusterview.Ref) (ui.App, error) {
	app := ui.App{
		Ref: ref, At: at(),
		Identity: identity.Identity{App: ref.Name, System: ref.Namespace, Environment: "stage"},
		Findings: []doctor.Finding{
			{Check: "configuration", Status: doctor.OK},
			{Check: "namespace", Status: doctor.OK},
			{Check: "labels", Status: doctor.OK},
			{Check: "admission", Status: doctor.Unseen, Message: "no pod was created in a dry run here"},
			{Check: "operator", Status: doctor.OK},
			{Check: "store", Status: doctor.OK},
			{Check: "sync", Status: doctor.OK},
			{Check: "secret", Status: doctor.OK, Message: "has all 2 keys"},
			{
				Check: "pods", Status: doctor.Broken, Message: "pod search-0 is stale: it was admitted by version 3 of the parameter, which is at 4",
				Fix: "kubectl -n popapps rollout restart statefulset.apps/search",
			},
			{Check: "reloader", Status: doctor.Unreached},
			{Check: "annotations", Status: doctor.Unreached},
		},
		Pods: []ui.Pod{
			{Name: "search-0", Version: 3, Freshness: clusterview.Stale, Why: "it was admitted by version 3 of the parameter, which is at 4"},
			{Name: "search-1", Version: 4, Freshness: clusterview.Fresh},
		},
		Versions: []ui.Version{
			{Number: 4, Modified: at().Add(-90 * time.Minute), Recorded: true, Pods: doctor.Counts{Fresh: 1}},
			{Number: 3, Modified: at().Add(-50 * time.Hour), Pods: doctor.Counts{Stale: 1}},
			{Pods: doctor.Counts{NotKnown: 1}},
		},
		History: "envgraft parameters history /popapps/search/stage/app",
		Events: []clusterview.Event{
			{Type: "Warning", Reason: "StaleVersion", Message: "1 of 2 pods run with version 3 of the parameter", At: at().Add(-80 * time.Minute)},
			{Type: "Normal", Reason: "SuccessfulCreate", Message: "create Pod search-1 in StatefulSet search successful", At: at().Add(-20 * time.Second)},
		},
		Containers: []ui.Container{
			{Name: "migrate", Init: true, Unknown: []string{"Secret/legacy"}},
			{Name: "search", Variables: []ui.Variable{
				{Name: "API_KEY", Tier: graft.TierParameter, From: "Secret/search-secrets[API_KEY]", Shadows: []string{"ConfigMap/search-config[API_KEY]", "Literal"}},
				{Name: "LOG_LEVEL", Tier: graft.TierConfigMap, From: "ConfigMap/search-config[LOG_LEVEL]"},
				{Name: "POD_IP", Tier: graft.TierPod, From: "FieldRef/status.podIP"},
			}},
		},
	}
	switch {
	case ref.Name == "web":
		app.Identity.App = Hostile
		app.Findings = []doctor.Finding{{Check: "labels", Status: doctor.Broken, Message: Hostile, Fix: Hostile}}
		app.Pods[0].Why, app.Notes = Hostile, []string{Hostile}
		app.Versions, app.History = nil, ""
		app.Events = []clusterview.Event{{Type: Hostile, Reason: Hostile, Message: Hostile, At: at()}}
		app.Containers[1].Variables[0] = ui.Variable{Name: Hostile, Tier: graft.TierPod, From: Hostile, Shadows: []string{Hostile}}
	case ref.Name != "search":
		return ui.App{}, fmt.Errorf("%w: %s in namespace %q", ui.ErrNotFound, ref, ref.Namespace)
	}
	app.Chain = ui.Chain{Links: ui.LinksOf(app.Findings), Nodes: [4]ui.Node{
		{Title: "SSM parameter", Name: "/" + ref.Namespace + "/" + ref.Name + "/stage/app", Detail: "version 4"},
		{Title: "ExternalSecret", Name: ref.Name + "-external", Detail: "last synced 2026-03-01T11:58:00Z"},
		{Title: "Secret", Name: ref.Name + "-secrets", Detail: "2 keys"},
		{Title: "Pods", Name: ref.String(), Detail: "1 fresh, 1 stale"},
	}}
	return app, nil
}
