package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/fair"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/inventory"
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

const (
	// configMapInterval is how often the ConfigMap of an app is read at most.
	configMapInterval = 10 * time.Minute
	// configMapsPerSecond and configMapBurst bound the reads of all apps: those of
	// 20,000 apps take half an hour.
	configMapsPerSecond = 10
	configMapBurst      = 40
	// rememberedConfigMaps bounds the memory for them. Of more than these, a deletion is
	// not reported.
	rememberedConfigMaps = 8192
)

// configMap is what is remembered of one, and never a value.
type configMap struct {
	name string
	// at is when it was read.
	at time.Time
	// deleted says that it was there when it was read before.
	found, deleted bool
	// created is zero where it is not there. changed is when its data last changed,
	// or when it was found deleted.
	created, changed time.Time
}

// asker is a workload whose pods get a ConfigMap.
type asker struct {
	workload workload.Ref
	decision graft.Decision
}

// seeToConfigMaps tells the workloads of an app whose pods have not what their
// ConfigMap holds, and restarts those that started before it existed.
func (p *pass) seeToConfigMaps(ctx context.Context) error {
	if p.ns == nil || len(p.inventory.Pods(p.app)) == 0 {
		return nil
	}
	if _, bypassed := p.ns.Labels[api.LabelBypass]; bypassed {
		return nil // new pods would be as these are
	}
	askers := make(map[string][]asker)
	for _, row := range p.inventory.Workloads(p.app) {
		d := p.Decider.Decide(*p.ns, row.Identity())
		if row.Deleting || d.Status != graft.StatusInjected || row.Ref.GroupKind().Group == workload.GroupBatch {
			continue
		}
		askers[d.Identity.ConfigMap] = append(askers[d.Identity.ConfigMap], asker{row.Ref, d})
	}
	for _, name := range slices.Sorted(maps.Keys(askers)) {
		if err := p.seeToConfigMap(ctx, name, askers[name]); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) seeToConfigMap(ctx context.Context, name string, askers []asker) error {
	cm, known, err := p.configMap(ctx, name)
	if err != nil || !known {
		return err
	}
	var older []ofWorkload
	if !cm.changed.IsZero() && slices.ContainsFunc(p.inventory.Pods(p.app), func(pod *inventory.Pod) bool { return pod.Created().Before(cm.changed) }) {
		pods, err := p.podsByWorkload(ctx)
		if err != nil {
			return err
		}
		older = olderThan(cm.changed, pods)
	}
	for _, a := range askers {
		at := slices.IndexFunc(older, func(pod ofWorkload) bool { return pod.workload == a.workload.UID })
		if at < 0 {
			p.events.Over(a.workload, eventConfigMapCame, eventConfigMapStale, eventConfigMapDeleted)
			continue
		}
		p.try(ctx, "", "compare the pods of "+a.workload.String()+" with their ConfigMap", nil, func() error {
			return p.compareWithConfigMap(ctx, a, cm, older[at])
		})
	}
	return nil
}

// configMap reads a ConfigMap, or remembers it; known is false where it may not be
// read now.
func (p *pass) configMap(ctx context.Context, name string) (cm configMap, known bool, err error) {
	key := types.NamespacedName{Namespace: p.app.Namespace, Name: name}
	var last configMap
	if value, ok := p.configMaps.Get(key); ok {
		last = value.(configMap) //nolint:forcetypeassert // nothing else is put there
		if rest := configMapInterval - p.clock.Since(last.at); rest > 0 {
			p.waitAtMost(rest)
			return last, true, nil
		}
	}
	p.waitAtMost(configMapInterval)
	if p.configMapReads.Take(p.app.Namespace) != fair.Granted {
		return configMap{}, false, nil
	}
	next := configMap{name: name, at: p.clock.Now()}
	object, err := p.readConfigMap(ctx, name)
	switch {
	case err != nil:
		return configMap{}, false, err
	case object != nil:
		next.found, next.created, next.changed = true, object.CreationTimestamp.Time, staleness.DataChanged(object.ObjectMeta)
	case last.deleted:
		next.deleted, next.changed = true, last.changed
	case last.found:
		next.deleted, next.changed = true, p.clock.Now()
	}
	p.configMaps.Add(key, next, 3*configMapInterval)
	return next, true, nil
}

// readConfigMap returns a ConfigMap; nil where there is none.
func (p *pass) readConfigMap(ctx context.Context, name string) (*corev1.ConfigMap, error) {
	object := &corev1.ConfigMap{}
	err := p.client.Get(ctx, client.ObjectKey{Namespace: p.app.Namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read ConfigMap %q: %w", name, err)
	}
	return object, nil
}

// behind is a pod that was compared with a state of its ConfigMap.
type behind struct {
	pod     types.UID
	changed time.Time
}

// compareWithConfigMap judges a pod that is older than the last change of its ConfigMap.
func (p *pass) compareWithConfigMap(ctx context.Context, a asker, cm configMap, older ofWorkload) error {
	about := behind{older.pod, cm.changed}
	if _, settled := p.settled.Get(about); settled {
		return nil
	}
	pod := &corev1.Pod{}
	if err := p.client.Get(ctx, client.ObjectKey{Namespace: p.app.Namespace, Name: older.name}, pod); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cannot read pod %q: %w", older.name, err)
	}
	started := firstStart(pod)
	if pod.UID != older.pod || started.IsZero() || !started.Before(cm.changed) {
		p.settled.Add(about, true, settledTTL) // it is gone, or its containers read the ConfigMap as it is
		return nil
	}
	switch {
	case cm.deleted:
		p.events.Say(a.workload, workloadevents.Warn(eventConfigMapDeleted, "Admit", fmt.Sprintf(
			"pods, %q for one, run with what ConfigMap %q held, which was deleted: %s", pod.Name, cm.name, afterDeletion(a.decision))))
		p.settled.Add(about, true, configMapInterval)
	case started.Before(cm.created):
		return p.restart(ctx, cameLate(a, cm, pod.Name, about))
	default:
		if rest := staleness.DefaultGrace - p.clock.Since(cm.changed); rest > 0 {
			p.waitAtMost(rest) // it is Reloader's turn
			return nil
		}
		object, err := p.readConfigMap(ctx, cm.name)
		if err != nil || object == nil {
			return err // the next look finds it deleted
		}
		p.events.Say(a.workload, workloadevents.Warn(eventConfigMapStale, "Admit", fmt.Sprintf(
			"pods, %q for one, started before ConfigMap %q changed at %s, and nothing has restarted them%s: %s",
			pod.Name, cm.name, stamp(cm.changed), p.differences(pod, object), rollout.Command(a.workload))))
		p.settled.Add(about, true, configMapInterval)
	}
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
func cameLate(a asker, cm configMap, pod string, about behind) cause {
	what := fmt.Sprintf("pods, %q for one, started before ConfigMap %q existed and run without it", pod, cm.name)
	version := fmt.Sprintf("ConfigMap %s of %s", cm.name, stamp(cm.created))
	return cause{
		workload: a.workload, parameter: a.decision.Identity.Parameter, about: about, version: version,
		served: func(past rollout.Past) bool { return past.Has(version) },
		done:   event{eventConfigMapRestarted, "restarted: " + what},
		left:   event{eventConfigMapCame, what + ": " + rollout.Command(a.workload)},
	}
}

// firstStart is when the first of a pod's running containers started; zero where none
// runs. One that starts later reads the ConfigMap then.
func firstStart(pod *corev1.Pod) time.Time {
	var first time.Time
	for _, c := range pod.Status.ContainerStatuses {
		if c.State.Running == nil {
			continue
		}
		if at := c.State.Running.StartedAt.Time; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// differences says for people which keys matter to a pod: those that its own literals
// hide, and those without which its containers cannot be restarted.
func (p *pass) differences(pod *corev1.Pod, object *corev1.ConfigMap) string {
	keys := slices.Sorted(maps.Keys(object.Data))
	var texts []string
	if names := p.hiddenKeys(pod, keys); len(names) > 0 {
		texts = append(texts, "their own "+strings.Join(names, ", ")+" hides keys that new pods get")
	}
	if names := missingKeys(pod, object.Name, keys); len(names) > 0 {
		texts = append(texts, "it lacks "+strings.Join(names, ", ")+", without which their containers cannot be restarted")
	}
	if len(texts) == 0 {
		return ""
	}
	return "; " + strings.Join(texts, "; ")
}

// hiddenKeys are those that the engine would bind, were the pod admitted as it runs.
func (p *pass) hiddenKeys(pod *corev1.Pod, keys []string) []string {
	raw, err := json.Marshal(pod)
	if err != nil {
		return nil
	}
	var names []string
	result := p.Decider.Inspect(*p.ns, raw).Graft(graft.Facts{
		Parameter: graft.Parameter{State: graft.ParameterEmpty}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound, Keys: keys},
	})
	for _, c := range result.Report.Containers {
		for _, b := range c.Rebound {
			if b.Tier == graft.TierConfigMap {
				names = append(names, b.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// missingKeys are those that a pod's variables are bound to and that the ConfigMap of
// a name lacks, which has the keys.
func missingKeys(pod *corev1.Pod, name string, keys []string) []string {
	var missing []string
	for _, c := range pod.Spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil || e.ValueFrom.ConfigMapKeyRef.Name != name {
				continue
			}
			ref := e.ValueFrom.ConfigMapKeyRef
			if _, found := slices.BinarySearch(keys, ref.Key); !found && (ref.Optional == nil || !*ref.Optional) {
				missing = append(missing, ref.Key)
			}
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
