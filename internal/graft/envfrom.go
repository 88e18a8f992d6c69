package graft

import (
	stdjson "encoding/json"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/json"
)

// The rule: a container's envFrom is its own entries in their order, then the
// ConfigMap, then the Secret, because the last entry wins. References to these
// two that were written by hand are taken out first, so that order and
// optionality are right whatever stood there.

// reference is a plain envFrom entry: one object, no prefix.
type reference struct {
	tier     Tier
	name     string
	optional bool
}

// The members of an envFrom entry, by tier.
const (
	fieldConfigMapRef = "configMapRef"
	fieldSecretRef    = "secretRef"
)

// entry writes the reference as an element of envFrom.
func (r reference) entry() map[string]any {
	object := map[string]any{"name": r.name}
	if r.optional {
		object["optional"] = true
	}
	if r.tier == TierParameter {
		return map[string]any{fieldSecretRef: object}
	}
	return map[string]any{fieldConfigMapRef: object}
}

// rebuildEnvFrom returns the list as it must be, and whether that differs.
// The list's own entries are handed on as they are, byte for byte.
func rebuildEnvFrom(entries []stdjson.RawMessage, ours []reference) ([]any, bool) {
	var own []any
	var tail []reference // plain references to our objects, as they stand
	misplaced := false
	for _, raw := range entries {
		ref, plain := parseReference(raw)
		if plain && slices.ContainsFunc(ours, ref.sameObject) {
			tail = append(tail, ref)
			continue
		}
		misplaced = misplaced || len(tail) > 0
		own = append(own, raw)
	}
	if !misplaced && slices.Equal(tail, ours) {
		return nil, false
	}
	for _, ref := range ours {
		own = append(own, ref.entry())
	}
	return own, true
}

func (r reference) sameObject(other reference) bool {
	return r.tier == other.tier && r.name == other.name
}

// parseReference reads an entry. It is plain only if it holds nothing that we
// do not know: an entry with a field of a later API may mean something else,
// and dropping it would lose that.
func parseReference(raw stdjson.RawMessage) (reference, bool) {
	var fields map[string]stdjson.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return reference{}, false
	}
	maps.DeleteFunc(fields, func(name string, value stdjson.RawMessage) bool {
		return !given(value) || name == "prefix" && string(value) == `""`
	})
	if len(fields) != 1 {
		return reference{}, false
	}
	for field, tier := range map[string]Tier{fieldConfigMapRef: TierConfigMap, fieldSecretRef: TierParameter} {
		if object, ok := fields[field]; ok {
			return parseObject(tier, object)
		}
	}
	return reference{}, false
}

func parseObject(tier Tier, raw stdjson.RawMessage) (reference, bool) {
	var fields map[string]any
	if json.Unmarshal(raw, &fields) != nil {
		return reference{}, false
	}
	ref := reference{tier: tier}
	for field, value := range fields {
		ok := true
		switch field {
		case "name":
			ref.name, ok = value.(string)
		case "optional":
			if value != nil {
				ref.optional, ok = value.(bool)
			}
		default:
			ok = false
		}
		if !ok {
			return reference{}, false
		}
	}
	return ref, true
}
