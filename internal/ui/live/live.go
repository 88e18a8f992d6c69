// Package live reads from a cluster what the status page shows.
package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/doctor"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/gather"
	"github.com/envgraft/envgraft/internal/ui"
)

// Source reads for the status page what status, doctor and explain show.
type Source struct {
	Reader   *clusterview.Reader
	Settings clusterview.Settings
	// Namespace is empty for all.
	Namespace string
	// Installation is namespace/name of envgraft's own Deployment.
	Installation string
}

var _ ui.Source = &Source{}

// look begins a page: the rights that are missing are those of the page.
func (s *Source) look() (*clusterview.Reader, *gather.Gatherer) {
	c := s.Reader.Renew()
	return c, &gather.Gatherer{Reader: c, Settings: s.Settings, Installation: s.Installation}
}

// Check says whether the cluster answers.
func (s *Source) Check(ctx context.Context) error {
	_, g := s.look()
	_, err := g.Base(ctx)
	return err
}

// Overview implements ui.Source.
func (s *Source) Overview(ctx context.Context) (ui.Overview, error) {
	_, g := s.look()
	base, err := g.Base(ctx)
	if err != nil {
		return ui.Overview{}, err
	}
	seen := g.Overview(ctx, g.Settings, s.Namespace, "")
	o := ui.Overview{Scope: "all namespaces", Installation: doctor.Examine(base), Apps: g.Lines(ctx, base, seen), At: base.Now}
	if s.Namespace != "" {
		o.Scope = "namespace " + s.Namespace
	}
	if len(o.Apps) == 0 && len(seen.Causes) > 0 {
		return o, errors.New("cannot tell: " + strings.Join(seen.Causes, "; "))
	}
	o.Notes = notes(g)
	return o, nil
}

// App implements ui.Source.
func (s *Source) App(ctx context.Context, ref clusterview.Ref) (ui.App, error) {
	c, g := s.look()
	w := c.Workload(ctx, ref)
	switch {
	case w.State == clusterview.NotFound, w.State == clusterview.Found && len(w.Value.Template) == 0:
		return ui.App{}, fmt.Errorf("%w: %s in namespace %q", ui.ErrNotFound, ref, ref.Namespace)
	case w.State != clusterview.Found:
		return ui.App{}, fmt.Errorf("cannot read %s: %s", ref, w.Cause)
	}
	base, err := g.Base(ctx)
	if err != nil {
		return ui.App{}, err
	}
	app := c.App(ctx, g.Settings, w.Value)
	in, err := g.App(ctx, base, app)
	if err != nil {
		return ui.App{}, err
	}
	explained, err := explain.Explainer{Reader: c}.Explain(ctx, app)
	if err != nil {
		return ui.App{}, err
	}
	findings := doctor.Examine(in)
	return ui.App{
		Ref: ref, Identity: app.Subject.Identity, Findings: findings, Chain: ui.ChainOf(app, findings),
		Pods: pods(explained.Live.Pods), Containers: containers(explained.Containers),
		Versions: versions(app, explained.Live.Pods), History: historyOf(app), Events: c.WorkloadEvents(ctx, ref), Notes: notes(g), At: base.Now,
	}, nil
}

// notes are the rights that were missing.
func notes(g *gather.Gatherer) []string {
	var notes []string
	if g.Settings.Assumed != "" {
		notes = append(notes, "the configuration is assumed to be the default: "+g.Settings.Assumed)
	}
	for _, right := range g.Missing() {
		notes = append(notes, "you may not "+right.String())
	}
	return notes
}

func pods(pods []explain.Pod) []ui.Pod {
	all := make([]ui.Pod, len(pods))
	for i, p := range pods {
		all[i] = ui.Pod{Name: p.Name, Version: p.Version, Freshness: p.Freshness, Why: p.Why}
	}
	return all
}

// uiVersions are the recorded version and those of the pods, the newest first. The
// recorded one is first: a parameter that was created again starts at version 1.
func versions(app *clusterview.App, pods []explain.Pod) []ui.Version {
	byNumber := map[int64]*ui.Version{}
	of := func(number int64) *ui.Version {
		if byNumber[number] == nil {
			byNumber[number] = &ui.Version{Number: number}
		}
		return byNumber[number]
	}
	if record, ok := app.Record(); ok && record.Version != 0 {
		newest := of(record.Version)
		newest.Recorded, newest.Modified = true, record.Modified
		if previous := record.Previous; previous != nil && previous.Version != record.Version {
			of(previous.Version).Modified = previous.Modified
		}
	}
	for _, pod := range pods {
		version := of(pod.Version)
		version.Pods = version.Pods.With(pod.Freshness)
	}
	versions := make([]ui.Version, 0, len(byNumber))
	for _, version := range byNumber {
		versions = append(versions, *version)
	}
	slices.SortFunc(versions, func(a, b ui.Version) int {
		switch {
		case a.Recorded:
			return -1
		case b.Recorded:
			return 1
		}
		return cmp.Compare(b.Number, a.Number)
	})
	return versions
}

// historyOf is the command that lists an app's versions.
func historyOf(app *clusterview.App) string {
	if path := app.Subject.Identity.Parameter; path != "" && app.Subject.Settings.Secrets {
		return "envgraft parameters history " + path
	}
	return ""
}

// uiContainers leaves the values behind: those of ConfigMaps, too.
func containers(containers []explain.Container) []ui.Container {
	all := make([]ui.Container, len(containers))
	for i, c := range containers {
		all[i] = ui.Container{Name: c.Name, Init: c.Init, Unknown: c.Unknown}
		for _, v := range c.Env {
			all[i].Variables = append(all[i].Variables, ui.Variable{Name: v.Name, Tier: v.Tier, From: v.From, Shadows: v.Shadows})
		}
	}
	return all
}
