package graft

import (
	"strings"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: a pod may be admitted again. The API server calls the webhook a
// second time where another admission plug-in changed the pod since the first
// (reinvocationPolicy), and people create again what they exported. The marks in
// a pod say so. Its author could have written them, so they are only ever good
// for what the author could have anyway: a pod that leaves a container out, or
// whose variables follow the tiers.

// markedContainers returns the containers that an earlier admission injected;
// nil where the pod has no such mark, or one that is of another pod. The others
// were added since, by an injector of sidecars: the app's environment is not for their containers.
func (s *Subject) markedContainers() Names {
	if s.pod.Metadata == nil {
		return nil
	}
	mark, ok := s.pod.Metadata.Annotations[api.AnnotationInjectedContainers]
	if !ok {
		return nil
	}
	has := s.pod.containerNames()
	names := Names{}
	for name := range strings.SplitSeq(mark, ",") {
		if !has.Has(name) {
			return nil
		}
		names[name] = struct{}{}
	}
	return names
}

// containersMark names the containers that are injected, for the next admission
// of the pod. A manifest has none: containers that its author adds are the app's.
func (s *Subject) containersMark(containers []ContainerReport) (mark string, ok bool) {
	if s.Settings.Containers != nil || s.engine.config.NamesOnce {
		return "", false
	}
	var names []string
	for _, c := range containers {
		if !c.Skipped {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ","), len(names) > 0
}

// merged returns the keys to bind an entry to, highest last, in which a value
// and a binding of ours met: something that merges lists by name, as a
// MutatingAdmissionPolicy with ApplyConfiguration or a strategic merge does, put
// its literal into the entry that we had bound. The API server refuses such a
// pod. The literal stays below and the binding goes behind it, where a further
// merge by name does not reach it. It is nil for all other entries.
func (v *variables) merged(e envView, name string, bindings []keyRef) []keyRef {
	if !v.again || v.namesOnce || !given(e.value) || string(e.value) == `""` {
		return nil
	}
	taken, ok := e.taken()
	if !ok || !v.ours(taken, name) {
		return nil
	}
	if len(bindings) == 0 { // not known this time: what was bound stays bound
		return []keyRef{taken}
	}
	return bindings
}

// outdated says that an entry takes the key of a tier below the one that has it
// now: an earlier admission bound it so, before the parameter had the key.
func (v *variables) outdated(e envView, name string, bindings []keyRef) bool {
	if !v.again || bindings[len(bindings)-1].tier != TierParameter {
		return false
	}
	taken, ok := e.taken()
	return ok && taken.tier == TierConfigMap && v.ours(taken, name)
}

// ours says that a key may have been bound by us to the variable of its name.
func (t *tiers) ours(taken keyRef, name string) bool {
	if !taken.sameObject(t.configMap) && !(t.hasParameter && taken.sameObject(t.parameter)) {
		return false
	}
	return taken.key == name || t.fold && strings.EqualFold(taken.key, name)
}
