package migrate

import (
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: Reloader's annotations that name nothing but the two objects go:
// the workload webhook writes them. Any other stays as its author wrote it.

func (a *planner) reloader() {
	for _, place := range []struct {
		what        string
		annotations map[string]string
		operations  *[]jsonpatch.Operation
		pointer     string
	}{
		{"the workload", a.Annotations, &a.plan.Object, "/metadata/annotations/"},
		{"the pod template", a.template.Annotations, &a.plan.Template, "/metadata/annotations/"},
	} {
		if a.Kind == "Pod" && place.what == "the workload" {
			continue // it has one metadata
		}
		gone := 0
		for _, key := range slices.Sorted(maps.Keys(place.annotations)) {
			if reloads(a, key, place.annotations[key]) {
				*place.operations = append(*place.operations, jsonpatch.NewOperation("remove", place.pointer+escape(key), nil))
				a.removedf("annotation %s: %q on %s", key, place.annotations[key], place.what)
				gone++
			}
		}
		if gone > 0 && gone == len(place.annotations) && place.what == "the workload" {
			*place.operations = []jsonpatch.Operation{jsonpatch.NewOperation("remove", "/metadata/annotations", nil)}
		}
	}
}

// reloads says that an annotation is for the two objects alone.
func reloads(a *planner, key, value string) bool {
	own := map[string]string{api.ReloaderSecret: a.secret, api.ReloaderConfigMap: a.configMap}
	name, ok := own[key]
	if !ok || name == "" {
		return false
	}
	for entry := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(entry) != name {
			return false
		}
	}
	return true
}

// escape writes a key as a token of a JSON pointer, RFC 6901 section 3.
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
