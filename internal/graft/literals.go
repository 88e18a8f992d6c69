package graft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: env beats envFrom, so a literal shadows the key that should win over
// it. Such a literal is bound to that key in place: $(NAME) references to it
// still expand, and kubectl describe pod shows where the value comes from.
//
// A key that may be missing must not take away what is below it. There the
// literal stays, and a second entry of its name, optional, is put right behind
// it: the kubelet takes the later one where the key exists, and skips it where
// it does not.
//
// A literal that is made of its own key stays, see composed.go. What an earlier
// admission bound, and others changed since, is repaired, see again.go.

// tiers are what the literals of a pod are checked against.
type tiers struct {
	parameter, configMap         reference
	parameterKeys, configMapKeys keySet
	// parameterKnown and configMapKnown say that the keys are all there are.
	parameterKnown, configMapKnown bool
	hasParameter                   bool
	namesOnce                      bool
	// again says that the pod was admitted before: bindings in it may be ours.
	again bool
	// fold says that the case of names does not count.
	fold bool
}

// bindings returns the keys that a literal of this name is bound to, the
// highest last: those of all tiers that have it, down to one that is not
// optional. What is not known is not guessed: while the parameter's keys are
// not known, a literal bound to the ConfigMap could shadow the parameter's.
// They are put into bindings, which has room for all: a pod may ask for thousands.
func (t *tiers) bindings(name string, bindings []keyRef) []keyRef {
	bindings = bindings[:0]
	if !t.parameterKnown {
		return bindings
	}
	if key, ok := t.configMapKeys.find(name); ok {
		bindings = append(bindings, keyRef{t.configMap, key})
	}
	if key, ok := t.parameterKeys.find(name); ok {
		if !t.parameter.optional {
			bindings = bindings[:0]
		}
		bindings = append(bindings, keyRef{t.parameter, key})
	}
	return bindings
}

// numberOfTiers is how many tiers have keys.
const numberOfTiers = 2

// variables goes through the env of one container.
type variables struct {
	*tiers
	container string
	// pointer is the JSON pointer of the list.
	pointer string
	env     []envView
	keep    Names
	shadows *shadows
	made    *composition

	// added counts the entries put before the one at hand.
	added int
	// operations are those of the whole pod so far.
	operations []jsonpatch.Operation
	// path is where pointers are put together.
	path   []byte
	report ContainerReport
	// unchecked are literals that nobody could check.
	unchecked []string
}

func (v *variables) rebind() {
	shadowing := Names{}
	var room [numberOfTiers]keyRef
	for i := 0; i < len(v.env); i++ {
		e := v.env[i]
		name := e.name()
		if name == "" || v.keep.Has(name) {
			continue
		}
		bindings := v.bindings(name, room[:])
		merged := v.merged(e, name, bindings)
		switch {
		case merged != nil:
			v.operations = append(v.operations, jsonpatch.NewOperation("remove", v.at(i+v.added, "/"+fieldValueFrom), nil))
			v.rebound(i, name, merged)
			i += v.append(i, name, merged)
		case len(bindings) == 0 && (!e.literal() || v.parameterKnown && v.configMapKnown):
		case e.literal() && v.made.ofItsKey(i, name, bindings):
			v.report.Composed = append(v.report.Composed, name)
		case len(bindings) == 0:
			v.unchecked = append(v.unchecked, name)
		case e.literal() || v.outdated(e, name, bindings) && !v.followedBy(i, name, bindings[len(bindings)-1]):
			v.rebound(i, name, bindings)
			i += v.bind(i, name, bindings)
		case v.followedBy(i, name, bindings[len(bindings)-1]):
		case !shadowing.Has(name):
			shadowing[name] = struct{}{}
			v.shadows.add(shadow{v.container, name, bindings[len(bindings)-1].reference})
		}
	}
}

// at is the JSON pointer of an entry, or of a field of it. It is made in one
// piece: a pod may have thousands of entries that are bound.
func (v *variables) at(index int, field string) string {
	v.path = append(append(v.path[:0], v.pointer...), '/')
	v.path = append(strconv.AppendInt(v.path, int64(index), 10), field...)
	return string(v.path)
}

func (v *variables) rebound(i int, name string, bindings []keyRef) {
	v.made.bound(i)
	v.report.Rebound = append(v.report.Rebound, Rebinding{Name: name, Tier: bindings[len(bindings)-1].tier})
}

// bind binds the entry at an index to keys, the highest last, and says how many
// of the entries behind it do that already.
func (v *variables) bind(i int, name string, bindings []keyRef) (behind int) {
	highest := bindings[len(bindings)-1]
	switch {
	case v.namesOnce:
		v.replace(i, highest)
		return 0
	case !bindings[0].optional && v.env[i].takes(bindings[0]):
		return v.append(i, name, bindings[1:])
	case !bindings[0].optional && v.covered(i, name, bindings):
		return len(bindings)
	case !bindings[0].optional:
		v.replace(i, bindings[0])
		return v.append(i, name, bindings[1:])
	case v.env[i].takes(bindings[0]):
		return v.append(i, name, bindings[1:])
	}
	return v.append(i, name, bindings)
}

// covered says that the entries right behind take all of the keys.
func (v *variables) covered(i int, name string, bindings []keyRef) bool {
	for n, to := range bindings {
		if i+1+n >= len(v.env) || v.env[i+1+n].name() != name || !v.env[i+1+n].takes(to) {
			return false
		}
	}
	return true
}

// append puts an entry for each key behind the one at an index, but for those
// that stand there already, and says how many do.
func (v *variables) append(i int, name string, bindings []keyRef) (behind int) {
	at := i + v.added
	for _, to := range bindings {
		at++
		if next := i + 1 + behind; next < len(v.env) && v.env[next].name() == name && v.env[next].takes(to) {
			behind++
			continue
		}
		v.operations = append(v.operations, add(v.at(at, ""), to.entryFor(name)))
		v.added++
	}
	return behind
}

// replace replaces what an entry takes its value from and nothing else, so that
// fields unknown to us survive. In a manifest the value becomes empty, as the API
// server has it beside a valueFrom: what merges a manifest without the field into
// an object that nobody applied keeps the old value, and is refused.
func (v *variables) replace(i int, to keyRef) {
	valueFrom := v.at(i+v.added, "/"+fieldValueFrom)
	value := strings.TrimSuffix(valueFrom, fieldValueFrom) + fieldValue
	switch {
	case v.env[i].value == nil:
	case v.namesOnce:
		v.operations = append(v.operations, jsonpatch.NewOperation("replace", value, ""))
	default:
		v.operations = append(v.operations, jsonpatch.NewOperation("remove", value, nil))
	}
	v.operations = append(v.operations, add(valueFrom, to.valueFrom()))
}

// followedBy says that an entry takes a key, or one of its name right behind
// it does. No admission leaves more than two there, and to look further would
// take long over a name that stands thousands of times.
func (v *variables) followedBy(i int, name string, key keyRef) bool {
	for _, e := range v.env[i:min(len(v.env), i+2)] {
		if e.name() != name {
			return false
		}
		if e.takes(key) {
			return true
		}
	}
	return false
}

// shadow is a key that a variable of a container shadows.
type shadow struct {
	container, name string
	shadowed        reference
}

// shadows are those of a pod, each variable of a container once: the first few,
// and how many there are.
type shadows struct {
	first []shadow
	count int
}

func (s *shadows) add(one shadow) {
	if s.count++; len(s.first) < maxShadowWarnings {
		s.first = append(s.first, one)
	}
}

// warnings returns a warning each, and one that counts those beyond.
func (s *shadows) warnings() []Warning {
	var warnings []Warning
	for _, s := range s.first {
		warnings = append(warnings, Warning{WarnShadowedKey, fmt.Sprintf(
			"container %q: env %q has a valueFrom, which shadows this key of %s: remove it, or keep it by annotation %s",
			cut(s.container), cut(s.name), s.shadowed, api.AnnotationKeep)})
	}
	if more := s.count - len(s.first); more > 0 {
		warnings = append(warnings, Warning{WarnShadowedKey, fmt.Sprintf("%d more variables have a valueFrom that shadows a key", more)})
	}
	return warnings
}

// uncheckedText says which literals may shadow a key, and why nobody knows.
func uncheckedText(names []string, object, why string) string {
	slices.Sort(names)
	var shown handful
	for _, name := range slices.Compact(names) {
		shown.add(name)
	}
	return fmt.Sprintf("the pod's own %s may shadow keys of %s (%s)", &shown, object, why)
}
