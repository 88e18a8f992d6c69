package clusterview

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/staleness"
)

// Freshness says which data a pod runs with.
type Freshness string

// The answers.
const (
	Fresh Freshness = "fresh"
	// Stale pods run with data that has changed since.
	Stale Freshness = "stale"
	// Replacing pods do, too, and Reloader or ESO still has time to act.
	Replacing Freshness = "being replaced"
	// Uninjected pods were never injected, though the next one would be.
	Uninjected Freshness = "not injected"
	// Waiting pods have not started all their containers.
	Waiting Freshness = "waiting"
	// Unsure is for what cannot be told from what may be read.
	Unsure Freshness = "not known"
)

// Judgement is what can be said of a pod, and by what.
type Judgement struct {
	Freshness Freshness
	Why       string
}

// Judge says how fresh a pod of the app is, by the judgement of package staleness.
func (a *App) Judge(p Pod) Judgement {
	if !a.Decided() {
		return Judgement{Unsure, "the labels of its namespace are not known"}
	}
	if a.Subject.Status != graft.StatusInjected {
		return Judgement{Unsure, "envgraft has no part in it: " + a.Subject.Message}
	}
	judged := staleness.Judge(a.next(p), a.marked(p))
	switch judged.Outcome {
	case staleness.Stale:
		if judged.Reason == staleness.NotInjected {
			return Judgement{Uninjected, judged.Why}
		}
		return Judgement{Stale, judged.Why}
	case staleness.Replacing:
		return Judgement{Replacing, judged.Why}
	case staleness.Waiting:
		return Judgement{Waiting, judged.Why}
	case staleness.Fresh:
		return Judgement{Fresh, judged.Why}
	case staleness.Unknown:
	}
	return Judgement{Unsure, judged.Why}
}

// next is what the app's next pod would get. Where the server's configuration is
// not known, names are by its defaults, and a pod's own are as good.
func (a *App) next(p Pod) staleness.App {
	n := staleness.App{
		Injects: a.Subject.Injects(), SecretSeen: a.Secret.State == Found, Secret: a.SecretChanged(), ConfigMap: a.ConfigMap.Value.Changed,
		Grace: staleness.DefaultGrace, Now: a.now(),
	}
	if a.Subject.Settings.Secrets {
		n.Parameter = a.Subject.Identity.Parameter
	}
	if _, recorded := a.Record(); recorded {
		n.ExternalSecret = a.ExternalSecret
	}
	marks := p.Metadata.Annotations
	if injected := marks[api.AnnotationInjected]; a.Settings.Assumed != "" && injected != "" {
		n.Injects = injected
		if n.Parameter != "" && marks[api.AnnotationParameter] != n.Parameter {
			n.Parameter, n.ExternalSecret, n.SecretSeen, n.Secret = marks[api.AnnotationParameter], nil, false, time.Time{}
		}
	}
	return n
}

func (a *App) now() time.Time {
	if a.Now.IsZero() {
		return time.Now()
	}
	return a.Now
}

// marked is a pod as staleness judges it.
func (a *App) marked(p Pod) staleness.Pod {
	m := staleness.Marked(func(key string) string { return p.Metadata.Annotations[key] }, p.Metadata.CreationTimestamp.Time)
	if p.Partial {
		return m
	}
	m.StartSeen, m.Started, m.Hidden = true, p.oldestStart(), a.shadowed(p)
	m.WaitsFor = join(p.Waiting())
	return m
}

// shadowed are the keys that a pod's own literals shadow: what the engine would bind,
// were the pod admitted again as it runs.
func (a *App) shadowed(p Pod) []string {
	record, recorded := a.Record()
	if !recorded || !record.Known() || len(p.Spec.Containers) == 0 {
		return nil
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return nil
	}
	var names []string
	subject := graft.New(a.Settings.Configuration.Engine()).Inspect(a.identityNamespace(), raw)
	for _, c := range subject.Graft(graft.Facts{Parameter: parameterOf(record.Keys), ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound}}).Report.Containers {
		for _, b := range c.Rebound {
			if b.Tier == graft.TierParameter {
				names = append(names, b.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func join(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}
