package graft

import (
	stdjson "encoding/json"
	"fmt"
	"slices"
	"strconv"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/jsonscan"
)

// The rule: env beats envFrom, so a literal hides the key that should win over
// it. Such a literal is bound to that key in place: $(NAME) references to it
// still expand, and kubectl describe pod shows where the value comes from.
//
// A key that may be missing must not take away what is below it. There the
// literal stays, and a second entry of its name, optional, is put right behind
// it: the kubelet takes the later one where the key exists, and skips it where
// it does not.

// tiers are what the literals of a pod are checked against.
type tiers struct {
	parameter, configMap reference
	// parameterKeys and configMapKeys are sorted.
	parameterKeys, configMapKeys []string
	// parameterKnown and configMapKnown say that the keys are all there are.
	parameterKnown, configMapKnown bool
	hasParameter                   bool
	namesOnce                      bool
}

// bindings returns the tiers that a literal of this name is bound to, the
// highest last: all that have the key, down to one that is not optional. What
// is not known is not guessed: while the parameter's keys are not known, a
// literal bound to the ConfigMap could hide the parameter's.
func (t tiers) bindings(name string) []reference {
	if !t.parameterKnown {
		return nil
	}
	var bindings []reference
	if _, ok := slices.BinarySearch(t.configMapKeys, name); ok {
		bindings = append(bindings, t.configMap)
	}
	if _, ok := slices.BinarySearch(t.parameterKeys, name); ok {
		if !t.parameter.optional {
			return []reference{t.parameter}
		}
		bindings = append(bindings, t.parameter)
	}
	return bindings
}

// outcome is what became of a container's env.
type outcome struct {
	operations []jsonpatch.Operation
	rebound    []Rebinding
	// unchecked are literals that nobody could check.
	unchecked []string
}

// rebindLiterals goes through the env list found at a JSON pointer.
func (t tiers) rebindLiterals(container, pointer string, env []envView, keep Names, shadows *shadows) outcome {
	var out outcome
	added := 0 // entries put before the one at i
	warned := Names{}
	for i, e := range env {
		name := e.name()
		if name == "" || keep.Has(name) {
			continue
		}
		bindings := t.bindings(name)
		switch {
		case e.literal() && len(bindings) > 0:
			operations := e.bind(pointer, i+added, bindings, env[i+1:], t.namesOnce)
			added += len(operations.added)
			out.operations = append(append(out.operations, operations.replaced...), operations.added...)
			out.rebound = append(out.rebound, Rebinding{Name: name, Tier: bindings[len(bindings)-1].tier})
		case e.literal() && !(t.parameterKnown && t.configMapKnown):
			out.unchecked = append(out.unchecked, name)
		case len(bindings) > 0 && !warned.Has(name) && !hasBinding(env[i:], name, bindings):
			warned[name] = struct{}{}
			shadows.add(shadow{container, name, bindings[len(bindings)-1]})
		}
	}
	return out
}

// shadow is a key that a variable of a container hides.
type shadow struct {
	container, name string
	hidden          reference
}

// shadows are those of a pod, each variable of a container once: the first few,
// and how many there are.
type shadows struct {
	first []shadow
	count int
}

func (s *shadows) add(one shadow) {
	if s.count++; len(s.first) < maxHiddenWarnings {
		s.first = append(s.first, one)
	}
}

// warnings returns a warning each, and one that counts those beyond.
func (s *shadows) warnings() []Warning {
	var warnings []Warning
	for _, s := range s.first {
		warnings = append(warnings, Warning{WarnHiddenKey, fmt.Sprintf(
			"container %q: env %q has a valueFrom, which hides this key of %s: remove it, or keep it by annotation %s",
			cut(s.container), cut(s.name), s.hidden, api.AnnotationKeep)})
	}
	if more := s.count - len(s.first); more > 0 {
		warnings = append(warnings, Warning{WarnHiddenKey, fmt.Sprintf("%d more variables have a valueFrom that hides a key", more)})
	}
	return warnings
}

// hasBinding says that the highest binding of a name is the first entry, or
// one of its name right behind it. No admission leaves more than two there, and
// to look further would take long over a name that stands thousands of times.
func hasBinding(env []envView, name string, bindings []reference) bool {
	for _, e := range env[:min(len(env), 2)] {
		if e.name() != name {
			return false
		}
		if e.boundTo(bindings[len(bindings)-1]) {
			return true
		}
	}
	return false
}

// binding is what binds a literal: it is replaced, or entries are added behind
// it, or both.
type binding struct{ replaced, added []jsonpatch.Operation }

// bind binds the literal at an index to keys, the highest last. What follows
// it may be what an earlier admission has added.
func (e envView) bind(pointer string, index int, bindings []reference, following []envView, once bool) binding {
	var b binding
	if once {
		b.replaced = e.rebind(pointer+"/"+strconv.Itoa(index), bindings[len(bindings)-1])
		return b
	}
	if !bindings[0].optional {
		b.replaced = e.rebind(pointer+"/"+strconv.Itoa(index), bindings[0])
		bindings = bindings[1:]
	}
	for _, to := range bindings {
		index++
		if len(following) > 0 && following[0].name() == e.name() && following[0].boundTo(to) {
			following = following[1:]
			continue
		}
		b.added = append(b.added, add(pointer+"/"+strconv.Itoa(index), to.entryFor(e.name())))
	}
	return b
}

// boundTo says that the entry takes exactly this key.
func (e envView) boundTo(r reference) bool {
	if !given(e.valueFrom) {
		return false
	}
	s := jsonscan.New(e.valueFrom)
	sources, bound := 0, false
	for source := range s.Members() {
		sources++
		bound = string(source) == r.keyRefField() && s.Kind() == jsonscan.Object && r.selectedBy(s, e.name())
	}
	return sources == 1 && bound && s.Err() == nil
}

// selectedBy reads a key selector, and tells whether it is of this key.
func (r reference) selectedBy(s *jsonscan.Scanner, key string) bool {
	var object, of string
	for field := range s.Members() {
		switch string(field) {
		case "name":
			object = s.Text()
		case "key":
			of = s.Text()
		}
	}
	return object == r.name && of == key
}

// rebind replaces value by valueFrom and nothing else, so that fields unknown
// to us survive.
func (e envView) rebind(pointer string, to reference) []jsonpatch.Operation {
	var operations []jsonpatch.Operation
	if e.value != nil {
		operations = append(operations, jsonpatch.NewOperation("remove", pointer+"/"+fieldValue, nil))
	}
	return append(operations, add(pointer+"/"+fieldValueFrom, stdjson.RawMessage(to.appendValueFrom(nil, e.name()))))
}

// appendValueFrom writes what takes a key of the object.
func (r reference) appendValueFrom(b []byte, key string) []byte {
	b = slices.Grow(b, len(`{"configMapKeyRef":{"key":"","name":"","optional":true}}`)+len(key)+len(r.name))
	b = append(b, `{"`...)
	b = append(b, r.keyRefField()...)
	b = jsonscan.AppendText(append(b, `":{"key":`...), key)
	b = append(r.appendName(append(b, ',')), "}}"...)
	return b
}

// entryFor is an entry of env that takes the key of its own name.
func (r reference) entryFor(name string) stdjson.RawMessage {
	b := jsonscan.AppendText([]byte(`{"name":`), name)
	b = append(b, `,"`+fieldValueFrom+`":`...)
	return append(r.appendValueFrom(b, name), '}')
}

func (r reference) keyRefField() string {
	if r.tier == TierParameter {
		return "secretKeyRef"
	}
	return "configMapKeyRef"
}

// String names the object as kubectl does.
func (r reference) String() string {
	if r.tier == TierParameter {
		return "Secret/" + r.name
	}
	return "ConfigMap/" + r.name
}

// uncheckedText says which literals may hide a key, and why nobody knows.
func uncheckedText(names []string, object, why string) string {
	slices.Sort(names)
	var shown handful
	for _, name := range slices.Compact(names) {
		shown.add(name)
	}
	return fmt.Sprintf("the pod's own %s may hide keys of %s (%s)", &shown, object, why)
}
