package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// Stage says whether what comes from one object of the picture (parameter,
// ExternalSecret, Secret, pods) arrives at the next.
type Stage struct {
	State Status
	// Why is the finding that decided.
	Why string
}

// worst orders statuses: what was not seen never conceals what is broken.
func worst(status Status) int {
	return slices.Index([]Status{Unneeded, OK, Warning, Unseen, Unreached, Broken}, status)
}

// Stages sums findings up: a stage is as its worst check.
func Stages(findings []Finding) [stages]Stage {
	var sum [stages]Stage
	for i := range sum {
		sum[i].State = Unneeded
	}
	for _, l := range chain() {
		for _, f := range findings {
			if f.Check == l.name && worst(f.Status) > worst(sum[l.stage].State) {
				sum[l.stage] = Stage{f.Status, said(f)}
			}
		}
	}
	return sum
}

func said(f Finding) string {
	if f.Message == "" {
		return f.Check
	}
	return f.Check + ": " + f.Message
}

// Line is one app of an overview.
type Line struct {
	Namespace string `json:"namespace"`
	Workload  string `json:"workload"`
	Kind      string `json:"kind"`
	App       string `json:"app"`
	// System and Environment are empty where the pods are not injected.
	System      string `json:"system,omitempty"`
	Environment string `json:"environment,omitempty"`
	Parameter   string `json:"parameter"`
	// Version is 0 where it is not known.
	Version int64 `json:"version,omitempty"`
	// Synced is one of the constants below.
	Synced    string     `json:"synced"`
	Refreshed *time.Time `json:"refreshed,omitempty"`
	Pods      Counts     `json:"pods"`
	// Rotated is when the parameter last changed, as far as that is known.
	Rotated *time.Time `json:"rotated,omitempty"`
	// Link is the check that found the problem, Severity "broken" or "warning",
	// and Problem what doctor says of it.
	Link     string `json:"link,omitempty"`
	Severity Status `json:"severity,omitempty"`
	Problem  string `json:"problem,omitempty"`
	// Stages sum up all checks.
	Stages [stages]Status `json:"-"`
}

// What ESO made of an app's Secret; SyncedNone is for an app that has none.
const (
	SyncedYes = "yes"
	SyncedNo  = "no"
	// SyncedUnanswered is for a Secret that lacks a version that SSM has: ESO has not
	// answered the request to refresh it.
	SyncedUnanswered = "no answer"
	// SyncedDeleting is for an ExternalSecret that is being deleted.
	SyncedDeleting = "deleting"
	SyncedNone     = "-"
	SyncedUnknown  = "not known"
)

// Counts are an app's pods by what they run with.
type Counts struct {
	Fresh       int `json:"fresh"`
	Stale       int `json:"stale"`
	NotInjected int `json:"notInjected"`
	Replacing   int `json:"replacing"`
	Waiting     int `json:"waiting"`
	NotKnown    int `json:"notKnown"`
}

// CountsOf judges the pods of an app that have not ended.
func CountsOf(a *clusterview.App) Counts {
	var c Counts
	for _, p := range a.Pods.Value {
		if p.Ended() {
			continue
		}
		c = c.With(a.Judge(p).Freshness)
	}
	return c
}

// With returns the counts with one pod more.
func (c Counts) With(f clusterview.Freshness) Counts {
	switch f {
	case clusterview.Fresh:
		c.Fresh++
	case clusterview.Stale:
		c.Stale++
	case clusterview.Uninjected:
		c.NotInjected++
	case clusterview.Replacing:
		c.Replacing++
	case clusterview.Waiting:
		c.Waiting++
	case clusterview.Unsure:
		c.NotKnown++
	}
	return c
}

// String lists what there is, as "2 fresh, 1 stale"; empty where no pod runs.
func (c Counts) String() string {
	var texts []string
	for _, one := range []struct {
		number int
		what   clusterview.Freshness
	}{
		{c.Fresh, clusterview.Fresh},
		{c.Stale, clusterview.Stale},
		{c.NotInjected, clusterview.Uninjected},
		{c.Replacing, clusterview.Replacing},
		{c.Waiting, clusterview.Waiting},
		{c.NotKnown, clusterview.Unsure},
	} {
		if one.number > 0 {
			texts = append(texts, fmt.Sprintf("%d %s", one.number, one.what))
		}
	}
	return strings.Join(texts, ", ")
}

// PodsText is what a table says of the pods.
func (l Line) PodsText() string { return l.Pods.String() }

// LineOf sums an app up by the same checks that doctor prints.
func LineOf(in Input) Line {
	a := in.App
	id, w := a.Subject.Identity, a.Workload
	l := Line{
		Namespace: w.Namespace, Workload: w.Name, Kind: w.Kind.Kind, App: id.App, System: id.System, Environment: id.Environment, Parameter: id.Parameter,
		Version: a.Version(), Synced: SyncedNone, Pods: CountsOf(a), Rotated: pointer(a.Rotated()),
	}
	if a.Subject.Status == graft.StatusInjected && a.Subject.Settings.Secrets {
		l.Synced = synced(a)
	} else {
		l.Parameter = ""
	}
	if e := a.ExternalSecret; e != nil {
		l.Refreshed = pointer(e.Status.RefreshTime.Time)
	}
	findings := Examine(in)
	if f, found := Problem(findings); found {
		l.Link, l.Severity, l.Problem = f.Check, f.Status, f.Message
	}
	for i, s := range Stages(findings) {
		l.Stages[i] = s.State
	}
	return l
}

func synced(a *clusterview.App) string {
	switch {
	case !a.ExternalSecrets.Known():
		return SyncedUnknown
	case a.ExternalSecret == nil:
		return SyncedNo
	case a.ExternalSecret.Deleting():
		return SyncedDeleting
	case !a.UnansweredSince().IsZero():
		return SyncedUnanswered
	case a.ExternalSecret.SecretExists():
		return SyncedYes
	}
	return SyncedNo
}

// pointer leaves a zero time out of JSON.
func pointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
