package graft

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// Subject is one pod or pod template that was read and decided upon; its
// identity tells which facts are needed to graft it.
type Subject struct {
	Decision
	engine *Engine
	pod    podView
}

// Result is what to do to a pod, and the account of it.
type Result struct {
	// Operations are a JSON patch (RFC 6902) for the document that was inspected.
	Operations []jsonpatch.Operation
	Report     Report
}

// Inspect reads a Pod or PodTemplateSpec in JSON and decides.
func (e *Engine) Inspect(ns identity.Namespace, raw []byte) *Subject {
	return e.InspectPod(ns, ParsePod(raw))
}

// InspectPod decides about a pod whose metadata was read. The spec is read
// where the pod is to be grafted, and left alone otherwise.
func (e *Engine) InspectPod(ns identity.Namespace, pod Pod) *Subject {
	if pod.err != nil {
		return unreadable(ns, identity.OptIn{}, pod.err)
	}
	s := &Subject{Decision: e.Decide(ns, pod.metadata.identity()), engine: e}
	if !s.Grafts() {
		return s
	}
	var err error
	if s.pod, err = pod.view(); err != nil {
		return unreadable(ns, s.OptIn, err)
	}
	if err := s.checkContainers(); err != nil {
		s.Decision = audited(ns, denied(s.OptIn, ReasonInvalidSetting, err))
	}
	return s
}

// unreadable denies a pod that cannot be read, or that is too large to be.
func unreadable(ns identity.Namespace, optIn identity.OptIn, err error) *Subject {
	if tooLarge := (tooLargeError{}); errors.As(err, &tooLarge) {
		return &Subject{Decision: denied(optIn, ReasonTooLarge, err)}
	}
	return &Subject{Decision: audited(ns, denied(optIn, ReasonMalformed, fmt.Errorf("cannot read the pod: %w", err)))}
}

// checkContainers refuses a name that no container has: a typo would leave
// the container that was meant without its environment.
func (s *Subject) checkContainers() error {
	if s.Settings.Containers == nil {
		return nil
	}
	has := s.pod.containerNames()
	for _, name := range slices.Sorted(maps.Keys(s.Settings.Containers)) {
		if !has.Has(name) {
			return fmt.Errorf("annotation %s names container %q: the pod's containers are %s",
				api.AnnotationContainers, cut(name), shownNames(s.pod.Spec.InitContainers, s.pod.Spec.Containers))
		}
	}
	return nil
}

// Graft returns the operations for the facts. Of a subject that was skipped,
// denied or audited it returns the report alone.
func (s *Subject) Graft(facts Facts) Result {
	if s.Status == StatusAudited {
		return s.audit(facts)
	}
	return s.graft(facts)
}

func (s *Subject) graft(facts Facts) Result {
	report := Report{Status: s.Status, Reason: s.Reason, Message: s.Message, Identity: s.Identity, Warnings: s.Warnings}
	if s.Status != StatusInjected {
		return Result{Report: report}
	}
	var eff effect
	if s.Settings.Secrets {
		report.Parameter = facts.Parameter.State
		eff = s.engine.parameterEffect(s.Decision, facts)
		eff.awaits = eff.awaits || eff.optional && facts.SecretMissing
	}
	if eff.deny != "" {
		report.Status, report.Reason, report.Message = StatusDenied, eff.deny, eff.message
		return Result{Report: report}
	}

	t := s.tiers(facts, eff)
	var shadowed shadows
	operations, containers, unchecked := s.graftContainers(t, &shadowed)
	if refused := s.engine.unknownEffect(s.Decision, facts.Parameter, unchecked); refused.deny != "" {
		report.Status, report.Reason, report.Message = StatusDenied, refused.deny, refused.message
		return Result{Report: report}
	}
	report.Containers = containers
	report.Warnings = slices.Concat(report.Warnings, eff.warnings, s.configMapWarnings(facts.ConfigMap), shadowed.warnings(),
		t.keyNameWarnings())
	if len(unchecked) > 0 && !eff.without {
		report.Warnings = append(report.Warnings, s.uncheckedWarning(unchecked, facts))
	}
	if facts.ExternalSecret != "" && s.Settings.Secrets {
		report.Warnings = append(report.Warnings, Warning{WarnExternalSecret, facts.ExternalSecret})
	}

	annotations, stale := s.engine.writtenAnnotations(s.Decision, facts.Parameter, s.pod.Metadata.identity().Annotations, t.references(), eff.awaits)
	if mark, ok := s.containersMark(containers); ok {
		annotations[api.AnnotationInjectedContainers] = mark
	} else {
		stale = append(stale, api.AnnotationInjectedContainers)
	}
	labels := map[string]string{api.LabelApp: s.Identity.App}
	return Result{
		Operations: append(operations, s.pod.metadataOperations(labels, annotations, stale)...),
		Report:     report,
	}
}

// tiers puts identity, settings and facts together.
func (s *Subject) tiers(facts Facts, eff effect) *tiers {
	_, again := s.pod.Metadata.identity().Annotations[api.AnnotationInjected]
	fold := s.pod.Spec.Windows
	t := &tiers{
		configMap:      reference{TierConfigMap, s.Identity.ConfigMap, !s.Settings.ConfigMapRequired},
		configMapKeys:  newKeySet(facts.ConfigMap.Keys, fold),
		configMapKnown: facts.ConfigMap.State != ConfigMapUnknown,
		parameterKnown: true,
		namesOnce:      s.engine.config.NamesOnce,
		again:          again,
		fold:           fold,
	}
	if s.Settings.Secrets {
		t.hasParameter = true
		t.parameter = reference{TierParameter, s.Identity.Secret, eff.optional}
		t.parameterKeys = newKeySet(facts.Parameter.Keys, fold)
		t.parameterKnown = facts.Parameter.Known()
	}
	return t
}

// references returns the envFrom entries of the tiers, the highest last.
func (t *tiers) references() []reference {
	if !t.hasParameter {
		return []reference{t.configMap}
	}
	return []reference{t.configMap, t.parameter}
}

// graftContainers applies envFrom and literals to every container that counts.
func (s *Subject) graftContainers(t *tiers, shadowed *shadows) (operations []jsonpatch.Operation, reports []ContainerReport, unchecked []string) {
	references := t.references()
	marked := s.markedContainers()
	for _, list := range []struct {
		pointer    string
		init       bool
		containers []containerView
	}{
		{"/spec/initContainers", true, s.pod.Spec.InitContainers},
		{"/spec/containers", false, s.pod.Spec.Containers},
	} {
		for i, c := range list.containers {
			if selected, late := s.selects(c.Name, marked); !selected {
				reports = append(reports, ContainerReport{Name: c.Name, Init: list.init, Skipped: true, Late: late})
				continue
			}
			pointer := list.pointer + "/" + strconv.Itoa(i)
			if entries, changed := rebuildEnvFrom(c.envFroms(), references); changed {
				operations = append(operations, add(pointer+"/envFrom", entries))
			}
			env := c.envs()
			v := variables{
				tiers: t, container: c.Name, pointer: pointer + "/env", env: env, keep: s.Settings.Keep, shadows: shadowed, operations: operations,
				made: newComposition(t, c, env, s.Settings.Keep), report: ContainerReport{Name: c.Name, Init: list.init},
			}
			v.rebind()
			operations = v.operations
			unchecked = append(unchecked, v.unchecked...)
			reports = append(reports, v.report)
		}
	}
	return operations, reports, unchecked
}

// selects applies annotation containers, else the skip list and what an earlier
// admission left out, because it was not there yet.
func (s *Subject) selects(name string, marked Names) (selected, late bool) {
	switch {
	case s.Settings.Containers != nil:
		return s.Settings.Containers.Has(name), false
	case s.engine.skips.has(name):
		return false, false
	}
	late = marked != nil && !marked.Has(name)
	return !late, late
}

func (s *Subject) configMapWarnings(c ConfigMap) []Warning {
	switch {
	case c.State == ConfigMapUnknown:
		return []Warning{{WarnConfigMapUnknown, fmt.Sprintf(
			"keys of ConfigMap %q are not known (%s): remove literals of their names", s.Identity.ConfigMap, c.Cause)}}
	case c.State == ConfigMapNotFound && s.Settings.ConfigMapRequired:
		return []Warning{{WarnConfigMapMissing, fmt.Sprintf(
			"ConfigMap %q does not exist, so the pod waits: kubectl create configmap %s --from-literal=KEY=value", s.Identity.ConfigMap, s.Identity.ConfigMap)}}
	}
	return nil
}

// uncheckedWarning is about literals that may shadow keys.
func (s *Subject) uncheckedWarning(names []string, facts Facts) Warning {
	if s.Settings.Secrets && !facts.Parameter.Known() {
		text := uncheckedText(names, parameterNamed(facts.Parameter.name(s.Decision)), facts.Parameter.because())
		return Warning{WarnUncheckedLiterals, text + ": " + facts.Parameter.remedy()}
	}
	text := uncheckedText(names, fmt.Sprintf("ConfigMap %q", s.Identity.ConfigMap), facts.ConfigMap.Cause)
	return Warning{WarnUncheckedLiterals, text + ": " + remedyRemove}
}
