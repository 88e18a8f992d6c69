package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/staleness"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// The rule: pods have what their ConfigMap held when their containers started. The
// controller gets an app's ConfigMap when it looks at the app, and rarely: it has no
// right to list or watch ConfigMaps. Reloader restarts pods when one changes, and
// ignores that one was created, so pods that started before it existed are restarted here.

// Reasons of Events about ConfigMaps.
const (
	eventConfigMapCame      = "ConfigMapAppearedWithoutRestart"
	eventConfigMapRestarted = "RestartedForConfigMap"
	eventConfigMapStale     = "StaleConfigMap"
	eventConfigMapDeleted   = "ConfigMapDeleted"
)

// ConfigMapInterval is how often the ConfigMap of an app is read at most.
const ConfigMapInterval = 10 * time.Minute

// asker is a workload whose pods get a ConfigMap.
type asker struct {
	workload workload.Ref
	decision graft.Decision
}

// compareConfigMaps tells the workloads of an app whose pods have not what their
// ConfigMap holds, and restarts those that started before it existed.
func compareConfigMaps(p *planner) error {
	if p.Namespace == nil || len(p.Pods) == 0 {
		return nil
	}
	if _, bypassed := p.Namespace.Labels[api.LabelBypass]; bypassed {
		return nil // new pods would be as these are
	}
	askers := make(map[string][]asker)
	for _, row := range p.Workloads {
		d := p.decide(row)
		if row.Deleting || d.Status != graft.StatusInjected || row.Ref.GroupKind().Group == workload.GroupBatch {
			continue
		}
		askers[d.Identity.ConfigMap] = append(askers[d.Identity.ConfigMap], asker{row.Ref, d})
	}
	for _, name := range slices.Sorted(maps.Keys(askers)) {
		p.try("", fmt.Sprintf("compare pods with ConfigMap %q", name), nil, func() error { return compareConfigMap(p, name, askers[name]) })
	}
	return nil
}

func compareConfigMap(p *planner, name string, askers []asker) error {
	cm, err := ask[ConfigMap](p, ConfigMapOf{name})
	p.waitAtMost(cm.Wait)
	if err != nil || !cm.Known {
		return err
	}
	var older []ofWorkload
	if !cm.Changed.IsZero() && slices.ContainsFunc(p.Pods, func(pod *inventory.Pod) bool { return pod.Created().Before(cm.Changed) }) {
		pods, err := podsByWorkload(p)
		if err != nil {
			return err
		}
		older = olderThan(cm.Changed, pods)
	}
	for _, a := range askers {
		at := slices.IndexFunc(older, func(pod ofWorkload) bool { return pod.workload == a.workload.UID })
		if at < 0 {
			p.over(a.workload, eventConfigMapCame, eventConfigMapStale, eventConfigMapDeleted)
			continue
		}
		p.try("", "compare the pods of "+a.workload.String()+" with their ConfigMap", nil, func() error {
			return comparison{p, a, cm, older[at]}.compare()
		})
	}
	return nil
}

// behind is a pod that was compared with a state of its ConfigMap.
type behind struct {
	pod     types.UID
	changed time.Time
}

// comparison judges a pod that is older than the last change of its ConfigMap.
type comparison struct {
	*planner

	asker asker
	cm    ConfigMap
	older ofWorkload
}

func (c comparison) compare() error {
	about := behind{c.older.pod, c.cm.Changed}
	if c.Memory.Settled(about) {
		return nil
	}
	pod, err := ask[*corev1.Pod](c.planner, PodNamed{c.older.name})
	if err != nil {
		return err
	}
	var started time.Time
	if pod != nil && pod.UID == c.older.pod {
		started = staleness.FirstStart(pod)
	}
	if started.IsZero() || !started.Before(c.cm.Changed) {
		c.settle(about, memory.SettledTTL) // it is gone, or its containers read the ConfigMap as it is
		return nil
	}
	switch {
	case c.cm.Deleted:
		c.say(c.asker.workload, workloadevents.Warn(eventConfigMapDeleted, "Admit", fmt.Sprintf(
			"pods, %q for one, run with what ConfigMap %q held, which was deleted: %s", pod.Name, c.cm.Name, afterDeletion(c.asker.decision))))
		c.settle(about, ConfigMapInterval)
	case started.Before(c.cm.Created):
		return c.restart(cameLate(c.asker, c.cm, pod.Name, about))
	default:
		return c.changed(pod, about)
	}
	return nil
}

func (c comparison) settle(about any, ttl time.Duration) {
	c.remember(func(m *memory.Memory) { m.Settle(about, ttl) })
}

// changed is for a pod that has what the ConfigMap held before its last change.
func (c comparison) changed(pod *corev1.Pod, about behind) error {
	if rest := staleness.DefaultGrace - c.Now.Sub(c.cm.Changed); rest > 0 {
		c.waitAtMost(rest) // it is Reloader's turn
		return nil
	}
	object, err := ask[*corev1.ConfigMap](c.planner, ConfigMapData{c.cm.Name})
	if err != nil || object == nil {
		return err // the next look finds it deleted
	}
	c.say(c.asker.workload, workloadevents.Warn(eventConfigMapStale, "Admit", fmt.Sprintf(
		"pods, %q for one, started before ConfigMap %q changed at %s, and nothing has restarted them%s: %s",
		pod.Name, c.cm.Name, stamp(c.cm.Changed), c.differences(pod, object), rollout.Command(c.asker.workload))))
	c.settle(about, ConfigMapInterval)
	return nil
}

func afterDeletion(d graft.Decision) string {
	if d.Settings.ConfigMapRequired {
		return "new ones wait for it: create it again"
	}
	return "new ones start without it"
}

// cameLate is the cause of a restart of a workload whose pods started before their
// ConfigMap existed. There is one for each time that it is created.
func cameLate(a asker, cm ConfigMap, pod string, about behind) Cause {
	what := fmt.Sprintf("pods, %q for one, started before ConfigMap %q existed and run without it", pod, cm.Name)
	version := fmt.Sprintf("ConfigMap %s of %s", cm.Name, stamp(cm.Created))
	return Cause{
		Workload: a.workload, Parameter: a.decision.Identity.Parameter, About: about, Version: version,
		served: func(past rollout.Past) bool { return past.Has(version) },
		Done:   event{eventConfigMapRestarted, "restarted: " + what},
		Left:   event{eventConfigMapCame, what + ": " + rollout.Command(a.workload)},
	}
}

// differences says for people which keys matter to a pod: those that its own literals
// hide, and those without which its containers cannot be restarted.
func (c comparison) differences(pod *corev1.Pod, object *corev1.ConfigMap) string {
	keys := slices.Sorted(maps.Keys(object.Data))
	var texts []string
	if names := c.shadowed(pod, keys); len(names) > 0 {
		texts = append(texts, "their own "+strings.Join(names, ", ")+" hides keys that new pods get")
	}
	if names := staleness.MissingKeys(pod, object.Name, keys); len(names) > 0 {
		texts = append(texts, "it lacks "+strings.Join(names, ", ")+", without which their containers cannot be restarted")
	}
	if len(texts) == 0 {
		return ""
	}
	return "; " + strings.Join(texts, "; ")
}

// shadowed are the keys that new pods would be bound to.
func (c comparison) shadowed(pod *corev1.Pod, keys []string) []string {
	raw, err := json.Marshal(pod)
	if err != nil {
		return nil
	}
	return staleness.Shadowed(c.Decider.Inspect(*c.Namespace, raw), graft.TierConfigMap, graft.Facts{
		Parameter: graft.Parameter{State: graft.ParameterEmpty}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound, Keys: keys},
	})
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
