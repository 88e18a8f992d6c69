package graft

import (
	stdjson "encoding/json"
	"slices"

	"github.com/envgraft/envgraft/internal/jsonscan"
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

// appendEntry writes the reference as an element of envFrom.
func (r reference) appendEntry(b []byte) []byte {
	field := fieldConfigMapRef
	if r.tier == TierParameter {
		field = fieldSecretRef
	}
	b = append(b, `{"`...)
	b = append(b, field...)
	b = append(b, `":{`...)
	b = append(r.appendName(b), "}}"...)
	return b
}

// appendName writes the members that name an object.
func (r reference) appendName(b []byte) []byte {
	b = jsonscan.AppendText(append(b, `"name":`...), r.name)
	if r.optional {
		b = append(b, `,"optional":true`...)
	}
	return b
}

// rebuildEnvFrom returns the list as it must be, and whether that differs.
// The list's own entries are handed on as they are, byte for byte.
func rebuildEnvFrom(entries []stdjson.RawMessage, ours []reference) (stdjson.RawMessage, bool) {
	var own []stdjson.RawMessage
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
	list := make([]byte, 0, listBytes)
	for _, raw := range own {
		list = append(append(list, ','), raw...)
	}
	for _, ref := range ours {
		list = ref.appendEntry(append(list, ','))
	}
	list[0] = '[' // in place of the first comma
	return append(list, ']'), true
}

// listBytes is what an envFrom of our two entries mostly takes.
const listBytes = 128

func (r reference) sameObject(other reference) bool {
	return r.tier == other.tier && r.name == other.name
}

// parseReference reads an entry. It is plain only if it holds nothing that we
// do not know: an entry with a field of a later API may mean something else,
// and dropping it would lose that.
func parseReference(raw stdjson.RawMessage) (reference, bool) {
	s := jsonscan.New(raw)
	if s.Kind() != jsonscan.Object {
		return reference{}, false
	}
	var ref reference
	objects := 0
	plain := true
	for key := range s.Members() {
		tier := tierOf(key)
		switch {
		case s.Kind() == jsonscan.Null:
		case tier != "":
			objects++
			var ok bool
			ref, ok = parseObject(s, tier)
			plain = plain && ok
		case string(key) == "prefix" && s.Kind() == jsonscan.String:
			plain = plain && s.Text() == ""
		default:
			plain = false
		}
	}
	return ref, plain && objects == 1 && s.Err() == nil
}

// parseObject reads the object that is referred to, and tells whether it holds
// nothing else.
func parseObject(s *jsonscan.Scanner, tier Tier) (r reference, plain bool) {
	r.tier = tier
	if s.Kind() != jsonscan.Object {
		return r, false
	}
	plain = true
	for key := range s.Members() {
		kind := s.Kind()
		switch {
		case string(key) == "name" && kind == jsonscan.String:
			r.name = s.Text()
		case string(key) == "optional" && kind == jsonscan.Bool:
			r.optional = string(s.Raw()) == "true"
		case string(key) == "optional" && kind == jsonscan.Null:
		default:
			plain = false
		}
	}
	return r, plain
}

// tierOf returns the tier that a field of an entry refers to, if it is one.
func tierOf(field []byte) Tier {
	switch string(field) {
	case fieldConfigMapRef:
		return TierConfigMap
	case fieldSecretRef:
		return TierParameter
	}
	return ""
}
