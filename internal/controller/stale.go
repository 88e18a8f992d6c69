package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/rollout"
	"github.com/envgraft/envgraft/internal/staleness"
	"github.com/envgraft/envgraft/internal/workload"
	"github.com/envgraft/envgraft/internal/workloadevents"
)

// The rule: a pod is stale if the next one of its workload would be given
// another environment. Its workload is told, and by configuration restarted
// once. Pods of a former revision are being replaced, and those of Jobs run to
// their end: neither counts.

// Reasons of Events about stale pods.
const (
	eventNotInjected   = "PodsNotInjected"
	eventOtherIdentity = "StaleIdentity"
	eventHiddenKey     = "ShadowedKeys"
	eventOlderVersion  = "StaleVersion"
	eventRepaired      = "RestartedStalePods"
)

func eventStale(reason metrics.StaleReason) string {
	return map[metrics.StaleReason]string{
		metrics.StaleNotInjected:   eventNotInjected,
		metrics.StaleOtherIdentity: eventOtherIdentity,
		metrics.StaleHiddenKey:     eventHiddenKey,
		metrics.StaleOlderVersion:  eventOlderVersion,
	}[reason]
}

// podSet has the pods of a workload's newest revision, newest first.
type podSet struct {
	workload workload.Ref
	// template is the workload that has the pod template: another where a Rollout
	// uses a Deployment's.
	template workload.Ref
	ns       identity.Namespace
	decision graft.Decision
	pods     []*inventory.Pod
	// externalSecret fills the Secret and has the record of the parameter; nil where
	// nothing is recorded.
	externalSecret *externalsecret.ExternalSecret
}

// tellStale counts the app's stale pods, tells their workloads, and restarts
// those that are to be.
func (p *pass) tellStale(ctx context.Context) error {
	pods := p.inventory.AllPods(p.app)
	counts := make(map[metrics.StaleReason]int)
	defer func() { p.dependents.stale(p.app, counts) }()
	if len(pods) == 0 || p.ns == nil {
		return nil
	}
	ns := *p.ns
	if _, bypassed := ns.Labels[api.LabelBypass]; bypassed {
		return nil // new pods would be as these are
	}
	crews, err := p.crews(ctx, ns, pods)
	if err != nil {
		return err
	}
	for _, c := range crews {
		p.try(ctx, "", "judge the pods of "+c.workload.String(), nil, func() error { return p.tellCrew(ctx, c, counts) })
	}
	return nil
}

// crews sorts the pods that may be stale by workload. Whose a pod is costs a
// call once for each ReplicaSet, and nothing where all pods are as they should be.
func (p *pass) crews(ctx context.Context, ns identity.Namespace, pods []*inventory.Pod) ([]*podSet, error) {
	suspects, err := p.suspects(ctx, ns)
	if err != nil || !slices.ContainsFunc(pods, suspects) {
		return nil, err
	}
	crews := make(map[types.UID]*podSet)
	for _, pod := range pods {
		if pod.Deleting || pod.OptsOut() {
			continue
		}
		top, err := p.owners.Top(ctx, pod)
		if err != nil {
			return nil, err
		}
		if top == nil || top.GroupKind().Group == workload.GroupBatch {
			continue
		}
		c, known := crews[top.UID]
		if !known {
			if c, err = p.crewOf(ctx, ns, *top, pod); err != nil {
				return nil, err
			}
			crews[top.UID] = c
		}
		if len(c.pods) == 0 || c.pods[0].Revision == pod.Revision {
			c.pods = append(c.pods, pod)
		}
	}
	return slices.SortedFunc(maps.Values(crews), func(a, b *podSet) int { return workload.Compare(a.workload, b.workload) }), nil
}

// suspects tells pods that may be stale from those that cannot be, by what the
// app's workloads want.
func (p *pass) suspects(ctx context.Context, ns identity.Namespace) (func(*inventory.Pod) bool, error) {
	wanted := make(map[string]bool)
	var crews []*podSet
	for _, row := range p.inventory.Workloads(p.app) {
		c, err := p.crewOf(ctx, ns, row.Ref, nil)
		if err != nil {
			return nil, err
		}
		if c.decision.Status == graft.StatusInjected {
			wanted[c.decision.Injects()+" "+c.parameter()] = true
			crews = append(crews, c)
		}
	}
	return func(pod *inventory.Pod) bool {
		if !wanted[pod.Annotations.Get(api.AnnotationInjected)+" "+pod.Annotations.Get(api.AnnotationParameter)] {
			return true
		}
		return slices.ContainsFunc(crews, func(c *podSet) bool {
			app, marked := p.staleApp(c), marks(pod)
			return staleness.Unmarked(app, marked) || staleness.Judge(app, marked).Reason == staleness.OlderVersion
		})
	}, nil
}

// crewOf is a workload with what it wants, by its own template; where there is
// none, by the pod.
func (p *pass) crewOf(ctx context.Context, ns identity.Namespace, w workload.Ref, pod *inventory.Pod) (*podSet, error) {
	c := &podSet{workload: w, template: w, ns: ns}
	switch row := p.inventory.Workload(w); {
	case row != nil:
		c.template = row.Template()
		c.decision = p.Decider.Decide(ns, row.Identity())
	case pod != nil:
		c.decision = p.Decider.Decide(ns, pod.Identity())
	}
	if c.decision.Status != graft.StatusInjected || !c.decision.Settings.Secrets {
		return c, nil
	}
	e, err := p.existing(ctx, c.decision.Identity.ExternalSecret)
	if err != nil || e == nil {
		return c, err
	}
	wants := externalsecret.WantsOf(c.decision, p.Settings(c.decision.Identity.ParameterEnvironment))
	if e.Ours(p.app.Name) && e.SecretName() == wants.Secret && e.Record.Of(wants) && e.Record.Known() {
		c.externalSecret = e
	}
	return c, nil
}

// parameter is what the marks of the workload's pods should name.
func (c *podSet) parameter() string {
	if !c.decision.Settings.Secrets {
		return ""
	}
	return c.decision.Identity.Parameter
}

func (p *pass) tellCrew(ctx context.Context, c *podSet, counts map[metrics.StaleReason]int) error {
	stale := make(map[metrics.StaleReason][]*inventory.Pod)
	if c.decision.Status == graft.StatusInjected {
		for _, pod := range c.pods {
			reason, err := p.staleFor(ctx, c, pod)
			if err != nil {
				return err
			}
			if reason != "" {
				stale[reason] = append(stale[reason], pod)
			}
		}
	}
	for _, reason := range metrics.StaleReasons() {
		if eventStale(reason) == "" {
			continue // it is found by what the controller does not see of a pod
		}
		pods := stale[reason]
		if len(pods) == 0 {
			p.events.Over(c.workload, eventStale(reason))
			continue
		}
		counts[reason] += len(pods)
		p.events.Say(c.workload, workloadevents.Warn(eventStale(reason), "Admit", c.what(reason, pods[len(pods)-1])+": "+c.remedy()))
		p.try(ctx, "", "restart "+c.workload.String(), nil, func() error { return p.repair(ctx, c, reason, pods) })
	}
	return nil
}

// staleFor says why a pod is stale; "" where it is not, or not yet.
func (p *pass) staleFor(ctx context.Context, c *podSet, pod *inventory.Pod) (metrics.StaleReason, error) {
	app, marked := p.staleApp(c), marks(pod)
	if c.workload.Kind == workload.Pod && marked.Injected != "" {
		return "", nil // it is not seen whether it runs at all
	}
	if staleness.Unmarked(app, marked) {
		hides, err := p.hides(ctx, c, pod.Revision)
		if err != nil {
			return "", err
		}
		if hides {
			marked.Hidden = []string{"literals"}
		}
	}
	judged := staleness.Judge(app, marked)
	p.waitAtMost(judged.Recheck)
	if judged.Outcome != staleness.Stale {
		return "", nil
	}
	return judged.Reason, nil
}

// staleApp is what the next pod of a workload gets.
func (p *pass) staleApp(c *podSet) staleness.App {
	return staleness.App{
		Injects: c.decision.Injects(), Parameter: c.parameter(), ExternalSecret: c.externalSecret,
		Grace: staleness.DefaultGrace, Now: p.clock.Now(),
	}
}

// marks are those of a pod whose metadata is all that is seen.
func marks(pod *inventory.Pod) staleness.Pod {
	return staleness.Marked(pod.Annotations.Get, pod.Created())
}

// record is what is known of the parameter; nil where nothing is.
func (c *podSet) record() *externalsecret.Record {
	if c.externalSecret == nil {
		return nil
	}
	return c.externalSecret.Record
}

// hidden is a question whose answer does not change: the pods of a revision
// are made of one template.
type hidden struct {
	workload types.UID
	revision string
	version  int64
}

// hides says that literals of a workload's template hide keys of its parameter
// where nobody bound them: its pods were admitted while the keys were not known.
func (p *pass) hides(ctx context.Context, c *podSet, revision string) (bool, error) {
	question := hidden{c.workload.UID, revision, c.record().Version}
	if known, ok := p.hiding.Get(question); ok {
		return known.(bool), nil //nolint:forcetypeassert // nothing else is put there
	}
	object, err := p.read(ctx, c.template)
	if err != nil || object == nil {
		return false, err
	}
	raw, err := templateOf(object)
	if err != nil {
		return false, err
	}
	result := p.Decider.Inspect(c.ns, raw).Graft(graft.Facts{
		Parameter: graft.Parameter{State: graft.ParameterFound, Keys: c.record().Keys, Version: c.record().Version},
	})
	hides := slices.ContainsFunc(result.Report.Containers, func(r graft.ContainerReport) bool {
		return slices.ContainsFunc(r.Rebound, func(b graft.Rebinding) bool { return b.Tier == graft.TierParameter })
	})
	p.hiding.Add(question, hides, settledTTL)
	return hides, nil
}

// templateOf is the pod template of a workload in JSON.
func templateOf(object *unstructured.Unstructured) ([]byte, error) {
	template, _, err := unstructured.NestedMap(object.Object, "spec", "template")
	if err != nil {
		return nil, fmt.Errorf("cannot read the template of %s %q: %w", object.GetKind(), object.GetName(), err)
	}
	raw, err := json.Marshal(template)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the template of %s %q: %w", object.GetKind(), object.GetName(), err)
	}
	return raw, nil
}

// isThere says that a pod has not been replaced since it was seen. The right to
// list pods is enough to ask.
func (p *pass) isThere(ctx context.Context, pod *inventory.Pod) (bool, error) {
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PodList"}}
	if err := p.client.List(ctx, list, client.InNamespace(pod.Namespace), client.MatchingFields{"metadata.name": pod.Name}); err != nil {
		return false, fmt.Errorf("cannot look for pod %q: %w", pod.Name, err)
	}
	return slices.ContainsFunc(list.Items, func(o metav1.PartialObjectMetadata) bool {
		return o.UID == pod.UID && o.DeletionTimestamp == nil
	}), nil
}

// what says for people what is the matter, with one pod as an example.
func (c *podSet) what(reason metrics.StaleReason, pod *inventory.Pod) string {
	var what string
	switch reason {
	case metrics.StaleNotInjected:
		what = fmt.Sprintf("pods, %q for one, were created without envgraft and run without %s", pod.Name, c.decision.Injects())
	case metrics.StaleOtherIdentity:
		what = fmt.Sprintf("pods, %q for one, were given %s; new ones get %s of parameter %q",
			pod.Name, pod.Annotations.Get(api.AnnotationInjected), c.decision.Injects(), c.parameter())
	case metrics.StaleHiddenKey:
		what = fmt.Sprintf("pods, %q for one, were admitted while the keys of parameter %q were not known, and hide some by literals of their own",
			pod.Name, c.parameter())
	case metrics.StaleOlderVersion:
		what = fmt.Sprintf("pods, %q for one, were admitted by version %d of parameter %q, which is at %d, and nothing has restarted them",
			pod.Name, pod.Version(), c.parameter(), c.record().Version)
	case metrics.StaleOlderObject:
		what = fmt.Sprintf("pods, %q for one, started before Secret %q or their ConfigMap changed, and nothing has restarted them",
			pod.Name, c.decision.Identity.Secret)
	}
	return what
}

// remedy is the command that replaces the pods.
func (c *podSet) remedy() string {
	w := c.workload
	if !w.Restartable() {
		return fmt.Sprintf("kubectl delete pod -n %s NAME, and create it again", w.Namespace)
	}
	return rollout.Command(w)
}

// repairAttempt is a restart that was thought about.
type repairAttempt struct {
	pod    types.UID
	reason metrics.StaleReason
	// mixed says that there are pods as they should be, too.
	mixed bool
}

// repair restarts the workload of stale pods, where the configuration has it
// so, once a day for a reason: where the pods that came of it are no better, another
// would not help.
func (p *pass) repair(ctx context.Context, c *podSet, reason metrics.StaleReason, stale []*inventory.Pod) error {
	if !p.options.Repair || p.options.NoRestarts || !c.workload.Restartable() {
		return nil
	}
	about := repairAttempt{stale[0].UID, reason, len(stale) < len(c.pods)}
	if _, settled := p.settled.Get(about); settled {
		return nil
	}
	// What was scanned may be minutes old.
	if runs, err := p.isThere(ctx, stale[0]); err != nil || !runs {
		return err
	}
	version := string(reason)
	if c.record() != nil {
		version = fmt.Sprintf("%s of %s@%d", reason, c.record().Parameter, c.record().Version)
	}
	what := c.what(reason, stale[len(stale)-1])
	return p.restart(ctx, cause{
		workload: c.workload, parameter: c.parameter(), about: about, version: version,
		// Once, whatever came of it: where every second pod is not as it should be, one
		// good pod would have it restarted forever.
		served: func(past rollout.Past) bool { return past.HasLately(version, p.clock.Now()) },
		done:   event{eventRepaired, "restarted, as restarts.repair has it: " + what},
		left:   event{eventStale(reason), what + ": " + c.remedy()},
	})
}
