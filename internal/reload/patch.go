package reload

import (
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
)

// patchMap brings the map at a field of some metadata to what it must be, each
// key by an operation of its own: what is not named is not touched. The
// metadata stands at a JSON pointer, if there is any.
func patchMap(pointer string, exists bool, field string, have, want map[string]string) []jsonpatch.Operation {
	switch {
	case maps.Equal(have, want):
		return nil
	case !exists:
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", pointer, map[string]any{field: want})}
	case have == nil:
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", pointer+"/"+field, want)}
	}
	pointer += "/" + field
	var operations []jsonpatch.Operation
	for _, key := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[key]; !ok {
			operations = append(operations, jsonpatch.NewOperation("remove", pointer+"/"+escape(key), nil))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := have[key]; !ok || value != want[key] {
			operations = append(operations, jsonpatch.NewOperation("add", pointer+"/"+escape(key), want[key]))
		}
	}
	return operations
}

// escape writes a key as a token of a JSON pointer, RFC 6901 section 3.
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
