package graft

import (
	stdjson "encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/util/json"
)

// The rule: env beats envFrom, so a literal hides the key that should win over
// it. Such a literal is bound to that key in place: $(NAME) references to it
// still expand, and kubectl describe pod shows where the value comes from.

// tiers are what the literals of a pod are checked against.
type tiers struct {
	parameter, configMap reference
	// parameterKeys and configMapKeys are sorted.
	parameterKeys, configMapKeys []string
	// parameterKnown and configMapKnown say that the keys are all there are.
	parameterKnown, configMapKnown bool
	hasParameter                   bool
}

// winner returns the highest tier that has the key. What is not known is not
// guessed: while the parameter's keys are not known, a literal bound to the
// ConfigMap could hide the parameter's.
func (t tiers) winner(name string) (reference, bool) {
	if !t.parameterKnown {
		return reference{}, false
	}
	if _, ok := slices.BinarySearch(t.parameterKeys, name); ok {
		return t.parameter, true
	}
	if _, ok := slices.BinarySearch(t.configMapKeys, name); ok {
		return t.configMap, true
	}
	return reference{}, false
}

// outcome is what became of a container's env.
type outcome struct {
	operations []jsonpatch.Operation
	rebound    []Rebinding
	// hiding are warnings about entries that stay and hide a key.
	hiding []Warning
	// unchecked are literals that nobody could check.
	unchecked []string
}

// rebindLiterals goes through the env list found at a JSON pointer.
func (t tiers) rebindLiterals(container, pointer string, env []envView, keep []string) outcome {
	var out outcome
	for i, e := range env {
		name := e.name()
		if name == "" || slices.Contains(keep, name) {
			continue
		}
		winner, ok := t.winner(name)
		switch {
		case e.literal() && ok:
			out.operations = append(out.operations, e.rebind(pointer+"/"+strconv.Itoa(i), winner)...)
			out.rebound = append(out.rebound, Rebinding{Name: name, Tier: winner.tier})
		case e.literal() && !(t.parameterKnown && t.configMapKnown):
			out.unchecked = append(out.unchecked, name)
		case ok && !e.boundTo(winner):
			out.hiding = append(out.hiding, Warning{WarnHiddenKey, fmt.Sprintf(
				"container %q: env %q has a valueFrom of its own, which stays and hides key %q of %s", container, name, name, winner)})
		}
	}
	return out
}

// boundTo says that the entry takes exactly this key.
func (e envView) boundTo(r reference) bool {
	var from map[string]stdjson.RawMessage
	if json.Unmarshal(e.valueFrom, &from) != nil || len(from) != 1 {
		return false
	}
	var key struct {
		Name string `json:"name"`
		Key  string `json:"key"`
	}
	raw, ok := from[r.keyRefField()]
	return ok && json.Unmarshal(raw, &key) == nil && key.Name == r.name && key.Key == e.name()
}

// rebind replaces value by valueFrom and nothing else, so that fields unknown
// to us survive.
func (e envView) rebind(pointer string, to reference) []jsonpatch.Operation {
	var operations []jsonpatch.Operation
	if e.value != nil {
		operations = append(operations, jsonpatch.NewOperation("remove", pointer+"/"+fieldValue, nil))
	}
	key := map[string]any{"name": to.name, "key": e.name()}
	if to.optional {
		key["optional"] = true
	}
	return append(operations, jsonpatch.NewOperation("add", pointer+"/"+fieldValueFrom, map[string]any{to.keyRefField(): key}))
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

// uncheckedWarning says which literals may hide a key, and why nobody knows.
func uncheckedWarning(names []string, cause string) Warning {
	slices.Sort(names)
	return Warning{WarnUncheckedLiterals, fmt.Sprintf("the pod's own %s may hide keys that should win: %s",
		strings.Join(slices.Compact(names), ", "), cause)}
}
