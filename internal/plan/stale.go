package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
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
	eventShadowedKey   = "ShadowedKeys"
	eventOlderVersion  = "StaleVersion"
	eventRepaired      = "RestartedStalePods"
)

func eventStale(reason staleness.Reason) string {
	return map[staleness.Reason]string{
		staleness.NotInjected:   eventNotInjected,
		staleness.OtherIdentity: eventOtherIdentity,
		staleness.ShadowedKey:   eventShadowedKey,
		staleness.OlderVersion:  eventOlderVersion,
	}[reason]
}

// podSet has the pods of a workload's newest revision, newest first.
type podSet struct {
	workload workload.Ref
	// template is the workload that has the pod template: another where a Rollout
	// uses a Deployment's.
	template workload.Ref
	decision graft.Decision
	pods     []*inventory.Pod
	// externalSecret fills the Secret and has the record of the parameter; nil where
	// nothing is recorded.
	externalSecret *externalsecret.ExternalSecret
}

// judgePods counts the app's stale pods, tells their workloads, and restarts
// those that are to be.
func judgePods(p *planner) error {
	p.plan.Stale = make(map[staleness.Reason]int)
	if len(p.AllPods) == 0 || p.Namespace == nil {
		return nil
	}
	if _, bypassed := p.Namespace.Labels[api.LabelBypass]; bypassed {
		return nil // new pods would be as these are
	}
	sets, err := podSets(p)
	if err != nil {
		return err
	}
	for _, s := range sets {
		p.try("", "judge the pods of "+s.workload.String(), nil, func() error { return (&judge{planner: p, podSet: s}).all() })
	}
	return nil
}

// podSets sorts the pods that may be stale by workload. Whose a pod is costs a
// call once for each ReplicaSet, and nothing where all pods are as they should be.
func podSets(p *planner) ([]*podSet, error) {
	suspect, err := suspects(p)
	if err != nil || !slices.ContainsFunc(p.AllPods, suspect) {
		return nil, err
	}
	pods := slices.DeleteFunc(slices.Clone(p.AllPods), func(pod *inventory.Pod) bool { return pod.Deleting || pod.OptsOut() })
	tops, err := p.tops(pods)
	if err != nil {
		return nil, err
	}
	sets := make(map[types.UID]*podSet)
	for _, pod := range pods {
		top := tops[pod]
		if top.Ref == nil || top.Ref.GroupKind().Group == workload.GroupBatch {
			continue
		}
		s, known := sets[top.Ref.UID]
		if !known {
			if s, err = podSetOf(p, *top.Ref, top.Row, pod); err != nil {
				return nil, err
			}
			sets[top.Ref.UID] = s
		}
		if len(s.pods) == 0 || s.pods[0].Revision == pod.Revision {
			s.pods = append(s.pods, pod)
		}
	}
	return slices.SortedFunc(maps.Values(sets), func(a, b *podSet) int { return workload.Compare(a.workload, b.workload) }), nil
}

// suspects tells pods that may be stale from those that cannot be, by what the
// app's workloads want.
func suspects(p *planner) (func(*inventory.Pod) bool, error) {
	wanted := make(map[string]bool)
	var sets []*podSet
	for _, row := range p.Workloads {
		s, err := podSetOf(p, row.Ref, row, nil)
		if err != nil {
			return nil, err
		}
		if s.decision.Status == graft.StatusInjected {
			wanted[s.decision.Injects()+" "+s.parameter()] = true
			sets = append(sets, s)
		}
	}
	return func(pod *inventory.Pod) bool {
		if !wanted[pod.Annotations.Get(api.AnnotationInjected)+" "+pod.Annotations.Get(api.AnnotationParameter)] {
			return true
		}
		return slices.ContainsFunc(sets, func(s *podSet) bool {
			app, marked := s.app(p.Now), marks(pod)
			return staleness.Unmarked(app, marked) || staleness.Judge(app, marked).Reason == staleness.OlderVersion
		})
	}, nil
}

// podSetOf is a workload with what it wants, by its own template; where there is
// none, by the pod.
func podSetOf(p *planner, w workload.Ref, row *inventory.Workload, pod *inventory.Pod) (*podSet, error) {
	s := &podSet{workload: w, template: w}
	switch {
	case row != nil:
		s.template = row.Template()
		s.decision = p.decide(row)
	case pod != nil:
		s.decision = p.Decider.Decide(*p.Namespace, pod.Identity())
	}
	if s.decision.Status != graft.StatusInjected || !s.decision.Settings.Secrets {
		return s, nil
	}
	e, err := p.existing(s.decision.Identity.ExternalSecret)
	if err != nil || e == nil {
		return s, err
	}
	wants := externalsecret.WantsOf(s.decision, p.Settings(s.decision.Identity.ParameterEnvironment))
	if e.Ours(p.App.Name) && e.SecretName() == wants.Secret && e.Record.Of(wants) && e.Record.Known() {
		s.externalSecret = e
	}
	return s, nil
}

// parameter is what the marks of the workload's pods should name.
func (s *podSet) parameter() string {
	if !s.decision.Settings.Secrets {
		return ""
	}
	return s.decision.Identity.Parameter
}

// app is what the next pod of a workload gets.
func (s *podSet) app(now time.Time) staleness.App {
	return staleness.App{
		Injects: s.decision.Injects(), Parameter: s.parameter(), ExternalSecret: s.externalSecret,
		Grace: staleness.DefaultGrace, Now: now,
	}
}

// record is what is known of the parameter; nil where nothing is.
func (s *podSet) record() *externalsecret.Record {
	if s.externalSecret == nil {
		return nil
	}
	return s.externalSecret.Record
}

// marks are those of a pod whose metadata is all that is seen.
func marks(pod *inventory.Pod) staleness.Pod {
	return staleness.Marked(pod.Annotations.Get, pod.Created())
}

// judge judges the pods of a workload.
type judge struct {
	*planner
	*podSet

	// starts counts the pods that were read.
	starts int
}

func (j *judge) all() error {
	stale := make(map[staleness.Reason][]*inventory.Pod)
	if j.decision.Status == graft.StatusInjected {
		for _, pod := range j.pods {
			reason, err := j.one(pod)
			if err != nil {
				return err
			}
			if reason != "" {
				stale[reason] = append(stale[reason], pod)
			}
		}
	}
	for _, reason := range staleness.Reasons() {
		if eventStale(reason) == "" {
			continue // it is found by what the controller does not see of a pod
		}
		pods := stale[reason]
		if len(pods) == 0 {
			j.over(j.workload, eventStale(reason))
			continue
		}
		j.plan.Stale[reason] += len(pods)
		j.say(j.workload, workloadevents.Warn(eventStale(reason), "Admit", j.what(reason, pods[len(pods)-1])+": "+j.remedy()))
		j.try("", "restart "+j.workload.String(), nil, func() error { return j.repair(reason, pods) })
	}
	return nil
}

// maxStarts bounds the pods of a workload that are read to see when they started.
const maxStarts = 3

// one says why a pod is stale; "" where it is not, or not yet.
func (j *judge) one(pod *inventory.Pod) (staleness.Reason, error) {
	app, marked := j.app(j.Now), marks(pod)
	if j.workload.Kind == workload.Pod && marked.Injected != "" {
		return "", nil // it is not seen whether it runs at all
	}
	awaits := pod.Awaits() && marked.Version.Number == 0
	if staleness.Unmarked(app, marked) {
		// Its pods were admitted while the keys were not known.
		shadows, err := ask[bool](j.planner, Shadows{Workload: j.workload, Template: j.template, Revision: pod.Revision, Record: j.record()})
		if err != nil {
			return "", err
		}
		if shadows {
			marked.Hidden = []string{"literals"}
		}
	}
	judged := staleness.Judge(app, marked)
	if judged.Outcome == staleness.Stale && judged.Reason == staleness.OlderVersion && !awaits && j.starts < maxStarts {
		j.starts++
		var err error
		if judged, err = j.started(app, marked, pod); err != nil {
			return "", err
		}
	}
	j.waitAtMost(judged.Recheck)
	if judged.Outcome != staleness.Stale || awaits && judged.Reason == staleness.OlderVersion {
		return "", nil // whose Secret came after it, is restarted for that
	}
	return judged.Reason, nil
}

// started judges a pod of an older version by when its containers started: it may have
// waited for the Secret, or have been restarted in place.
func (j *judge) started(app staleness.App, marked staleness.Pod, pod *inventory.Pod) (staleness.Judgement, error) {
	read, err := ask[*corev1.Pod](j.planner, PodNamed{pod.Name})
	if err != nil || read == nil || read.UID != pod.UID {
		return staleness.Judgement{}, err // where it is gone it is not stale
	}
	if marked.ReadsRecorded = app.StartedWithRecorded(pod.Created(), staleness.FirstStart(read)); marked.ReadsRecorded {
		raw, err := json.Marshal(read)
		if err != nil {
			return staleness.Judgement{}, fmt.Errorf("cannot encode pod %q: %w", pod.Name, err)
		}
		marked.Hidden = staleness.Shadowed(j.Decider.Inspect(*j.Namespace, raw), graft.TierParameter, j.record().Facts())
	}
	return staleness.Judge(app, marked), nil
}

// AnyShadows says that literals of a workload's template shadow keys of its parameter
// where nobody bound them.
func AnyShadows(d Decider, ns identity.Namespace, object *unstructured.Unstructured, r *externalsecret.Record) (bool, error) {
	template, _, err := unstructured.NestedMap(object.Object, "spec", "template")
	if err != nil {
		return false, fmt.Errorf("cannot read the template of %s %q: %w", object.GetKind(), object.GetName(), err)
	}
	raw, err := json.Marshal(template)
	if err != nil {
		return false, fmt.Errorf("cannot encode the template of %s %q: %w", object.GetKind(), object.GetName(), err)
	}
	return len(staleness.Shadowed(d.Inspect(ns, raw), graft.TierParameter, r.Facts())) > 0, nil
}

// what says for people what is the matter, with one pod as an example.
func (j *judge) what(reason staleness.Reason, pod *inventory.Pod) string {
	var what string
	switch reason {
	case staleness.NotInjected:
		what = fmt.Sprintf("pods, %q for one, were created without envgraft and run without %s", pod.Name, j.decision.Injects())
	case staleness.OtherIdentity:
		what = fmt.Sprintf("pods, %q for one, were given %s; new ones get %s of parameter %q",
			pod.Name, pod.Annotations.Get(api.AnnotationInjected), j.decision.Injects(), j.parameter())
	case staleness.ShadowedKey:
		what = fmt.Sprintf("pods, %q for one, were admitted while the keys of parameter %q were not known, and hide some by literals of their own",
			pod.Name, j.parameter())
	case staleness.OlderVersion:
		what = fmt.Sprintf("pods, %q for one, were admitted by version %d of parameter %q, which is at %d, and nothing has restarted them",
			pod.Name, pod.Version(), j.parameter(), j.record().Version)
		if pod.Version() == 0 {
			what = fmt.Sprintf("pods, %q for one, were created before version %d of parameter %q, and nothing has restarted them",
				pod.Name, j.record().Version, j.parameter())
		}
	case staleness.OlderObject:
		what = fmt.Sprintf("pods, %q for one, started before Secret %q or their ConfigMap changed, and nothing has restarted them",
			pod.Name, j.decision.Identity.Secret)
	}
	return what
}

// remedy is the command that replaces the pods.
func (s *podSet) remedy() string {
	w := s.workload
	if !w.Restartable() {
		return fmt.Sprintf("kubectl delete pod -n %s NAME, and create it again", w.Namespace)
	}
	return rollout.Command(w)
}

// repairAttempt is a restart that was thought about.
type repairAttempt struct {
	pod    types.UID
	reason staleness.Reason
	// mixed says that there are pods as they should be, too.
	mixed bool
}

// repair restarts the workload of stale pods, where the configuration has it
// so, once a day for a reason: where the pods that came of it are no better, another
// would not help.
func (j *judge) repair(reason staleness.Reason, stale []*inventory.Pod) error {
	if !j.Repair || j.NoRestarts || !j.workload.Restartable() {
		return nil
	}
	about := repairAttempt{stale[0].UID, reason, len(stale) < len(j.pods)}
	if j.Memory.Settled(about) {
		return nil
	}
	// What was scanned may be minutes old.
	if runs, err := ask[bool](j.planner, PodRuns{stale[0]}); err != nil || !runs {
		return err
	}
	version, now := string(reason), j.Now
	if j.record() != nil {
		version = fmt.Sprintf("%s of %s@%d", reason, j.record().Parameter, j.record().Version)
	}
	what := j.what(reason, stale[len(stale)-1])
	return j.restart(Cause{
		Workload: j.workload, Parameter: j.parameter(), About: about, Version: version,
		// Once, whatever came of it: where every second pod is not as it should be, one
		// good pod would have it restarted forever.
		served: func(past rollout.Past) bool { return past.HasLately(version, now) },
		Done:   event{eventRepaired, "restarted, as restarts.repair has it: " + what},
		Left:   event{eventStale(reason), what + ": " + j.remedy()},
	})
}
