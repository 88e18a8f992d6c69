package clusterview

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

// Overview is all apps of a namespace, or of the cluster, each as App has it,
// by a few lists: pods by their metadata alone, and neither Secrets nor
// ConfigMaps, so that it stays cheap where there are thousands.
type Overview struct {
	Apps []*App
	// Causes say what could not be listed.
	Causes []string
}

// notEnded leaves out pods that read nothing anew.
const notEnded = "status.phase!=Succeeded,status.phase!=Failed"

// Overview reads it. namespace is empty for the whole cluster.
func (r *Reader) Overview(ctx context.Context, settings Settings, namespace, selector string) Overview {
	var o Overview
	known := r.namespacesOf(ctx, namespace)
	o.note(known.State, known.Cause)
	workloads, failed := r.Workloads(ctx, namespace, selector)
	for _, f := range failed {
		o.note(f.State, f.Cause)
	}
	secrets := r.ExternalSecrets(ctx, namespace)
	o.note(secrets.State, secrets.Cause)
	pods := list[Pod](ctx, r, pods(), namespace, query{accept: metadataList, fields: notEnded})
	o.note(pods.State, pods.Cause)

	engine := graft.New(settings.Configuration.Engine())
	running := group(pods.Value)
	for _, w := range workloads {
		ns, ok := known.Value[w.Namespace]
		a := &App{Settings: settings, Workload: w, ExternalSecrets: secrets, Pods: Seen[[]Pod]{State: pods.State, Cause: pods.Cause}}
		a.Namespace = Seen[identity.Namespace]{State: known.State, Cause: known.Cause, Value: ns}
		if !ok && known.State == Found {
			a.Namespace.State = NotFound
		}
		a.Subject = engine.Inspect(a.identityNamespace(), w.Template)
		if len(w.Template) == 0 || a.Subject.Status == graft.StatusSkipped && a.Subject.Reason != graft.ReasonNoApp {
			continue
		}
		id := a.Subject.Identity
		a.ExternalSecret = secrets.Value.Filling(w.Namespace, id.ExternalSecret, id.Secret)
		a.Pods.Value = running[podKey(w.Namespace, w.Kind.Kind, w.Name)]
		o.Apps = append(o.Apps, a)
	}
	return o
}

func (o *Overview) note(s State, cause string) {
	if s == Forbidden || s == Failed || s == NotFound && cause != "" {
		o.Causes = append(o.Causes, cause)
	}
}

// namespacesOf reads one Namespace, or all.
func (r *Reader) namespacesOf(ctx context.Context, namespace string) Seen[map[string]identity.Namespace] {
	if namespace == "" {
		return r.Namespaces(ctx)
	}
	one := r.Namespace(ctx, namespace)
	all := Seen[map[string]identity.Namespace]{State: one.State, Cause: one.Cause, Value: map[string]identity.Namespace{}}
	if one.State == Found {
		all.Value[namespace] = one.Value
	}
	return all
}

// group sorts pods by their workloads. A CronJob's Jobs are called by its own
// name and the minute of their run.
func group(pods []Pod) map[string][]Pod {
	running := map[string][]Pod{}
	for _, pod := range pods {
		kind, name := pod.top()
		if at := strings.LastIndex(name, "-"); kind == workload.Job && at > 0 && strings.Trim(name[at+1:], "0123456789") == "" {
			kind, name = workload.CronJob, name[:at]
		}
		if pod.Metadata.DeletionTimestamp == nil {
			key := podKey(pod.Metadata.Namespace, kind, name)
			running[key] = append(running[key], pod)
		}
	}
	return running
}

func podKey(namespace, kind, name string) string { return namespace + "/" + kind + "/" + name }

// Line is one app of an overview.
type Line struct {
	Namespace string `json:"namespace"`
	Workload  string `json:"workload"`
	Kind      string `json:"kind"`
	App       string `json:"app"`
	Parameter string `json:"parameter"`
	// Version is 0 where it is not known.
	Version int64 `json:"version,omitempty"`
	// Synced is one of the constants below.
	Synced    string     `json:"synced"`
	Refreshed *time.Time `json:"refreshed,omitempty"`
	Pods      Counts     `json:"pods"`
	// Rotated is when the parameter last changed, as far as that is known.
	Rotated *time.Time `json:"rotated,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

// What ESO made of an app's Secret; SyncedNone is for an app that has none.
const (
	SyncedYes     = "yes"
	SyncedNo      = "no"
	SyncedNone    = "-"
	SyncedUnknown = "not known"
)

// Counts are an app's pods by what they run with.
type Counts struct {
	Fresh       int `json:"fresh"`
	Stale       int `json:"stale"`
	NotInjected int `json:"notInjected"`
	NotKnown    int `json:"notKnown"`
}

// PodsText lists what there is, as "2 fresh, 1 stale"; empty where no pod runs.
func (l Line) PodsText() string {
	c := l.Pods
	var texts []string
	for _, one := range []struct {
		number int
		what   Freshness
	}{{c.Fresh, Fresh}, {c.Stale, Stale}, {c.NotInjected, Bare}, {c.NotKnown, Unsure}} {
		if one.number > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", one.number, one.what))
		}
	}
	return strings.Join(texts, ", ")
}

// Line sums the app up by what its annotations tell: nothing was read of its
// Secret, and of its pods the metadata alone.
func (a *App) Line() Line {
	id, w := a.Subject.Identity, a.Workload
	l := Line{Namespace: w.Namespace, Workload: w.Name, Kind: w.Kind.Kind, App: id.App, Parameter: id.Parameter, Version: a.Version(), Synced: SyncedNone}
	if a.Subject.Status == graft.StatusInjected && a.Subject.Settings.Secrets {
		l.Synced = a.synced()
	} else {
		l.Parameter = ""
	}
	if e := a.ExternalSecret; e != nil && !e.Status.RefreshTime.IsZero() {
		at := e.Status.RefreshTime.UTC()
		l.Refreshed = &at
	}
	if at := a.Rotated(); !at.IsZero() {
		at = at.UTC()
		l.Rotated = &at
	}
	for _, pod := range a.Pods.Value {
		l.Pods.add(a, pod)
	}
	l.Problem = a.problem(l.Pods)
	return l
}

func (a *App) synced() string {
	switch {
	case !a.ExternalSecrets.Known():
		return SyncedUnknown
	case a.ExternalSecret != nil && a.ExternalSecret.Synced():
		return SyncedYes
	}
	return SyncedNo
}

// add counts a pod by its metadata.
func (c *Counts) add(a *App, pod Pod) {
	have, want := pod.Version(), a.Version()
	switch {
	case a.Subject.Status != graft.StatusInjected:
	case !pod.Injected():
		c.NotInjected++
	case !a.Subject.Settings.Secrets, have > 0 && have == want:
		c.Fresh++
	case have > 0 && have < want:
		c.Stale++
	default:
		c.NotKnown++
	}
}

// problem is the first thing that is wrong, from the label to the pods.
func (a *App) problem(pods Counts) string {
	e := a.ExternalSecret
	switch {
	case a.Subject.Status != graft.StatusInjected:
		return a.Subject.Message
	case pods.NotInjected > 0:
		return "pods were created without envgraft"
	case !a.Subject.Settings.Secrets || !a.ExternalSecrets.Known():
	case e == nil && a.ExternalSecrets.State == NotFound:
		return a.ExternalSecrets.Cause
	case e == nil:
		return "no ExternalSecret fills Secret " + a.Subject.Identity.Secret
	case !e.Synced() && e.Ready() != nil:
		return e.Ready().Reason + ": " + e.Ready().Message
	case !e.Synced():
		return "the External Secrets Operator has not processed ExternalSecret " + e.Metadata.Name
	}
	if pods.Stale > 0 {
		return "pods run with older data"
	}
	return ""
}

// Lines sums all apps up, in their order.
func (o *Overview) Lines() []Line {
	lines := make([]Line, len(o.Apps))
	for i, a := range o.Apps {
		lines[i] = a.Line()
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return strings.Compare(a.Namespace, b.Namespace) })
	return lines
}
