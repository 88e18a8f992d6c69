package graft

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gomodules.xyz/jsonpatch/v2"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: the pod says what was done to it, for people and for the
// controller that watches it by label.

// metadataOperations writes labels and annotations, each by its own operation
// where the map exists, so that nobody else's are touched.
func (p podView) metadataOperations(labels, annotations map[string]string, stale []string) []jsonpatch.Operation {
	if p.Metadata == nil {
		return []jsonpatch.Operation{add("/metadata", map[string]any{"labels": labels, "annotations": annotations})}
	}
	operations := mapOperations("/metadata/labels", p.Metadata.Labels, labels)
	operations = append(operations, mapOperations("/metadata/annotations", p.Metadata.Annotations, annotations)...)
	for _, key := range stale {
		if _, ok := p.Metadata.Annotations[key]; ok {
			operations = append(operations, jsonpatch.NewOperation("remove", "/metadata/annotations/"+escape(key), nil))
		}
	}
	return operations
}

func mapOperations(pointer string, have, want map[string]string) []jsonpatch.Operation {
	if have == nil {
		return []jsonpatch.Operation{add(pointer, want)}
	}
	operations := make([]jsonpatch.Operation, 0, len(want))
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if value, ok := have[key]; !ok || value != want[key] {
			operations = append(operations, add(pointer+"/"+escape(key), want[key]))
		}
	}
	return operations
}

// writtenAnnotations are the marks of an injected pod; stale are those of an
// earlier admission that no longer hold.
func (e *Engine) writtenAnnotations(d Decision, p Parameter, have map[string]string, refs []reference, awaits bool) (want map[string]string, stale []string) {
	want = map[string]string{api.AnnotationInjected: d.Injects()}
	stale = make([]string, 0, 4) // one for each mark that may be left out
	if d.Settings.Secrets {
		want[api.AnnotationParameter] = d.Identity.Parameter
	}
	versioned := d.Settings.Secrets && p.Known() && p.Version > 0
	if versioned {
		want[api.AnnotationParameterVersion] = strconv.FormatInt(p.Version, 10)
	} else {
		stale = append(stale, api.AnnotationParameterVersion)
	}
	if versioned && !p.Modified.IsZero() {
		want[api.AnnotationParameterModified] = p.Modified.UTC().Format(time.RFC3339Nano)
	} else {
		stale = append(stale, api.AnnotationParameterModified)
	}
	if awaits {
		want[api.AnnotationAwaitsSecret] = "true"
	} else {
		stale = append(stale, api.AnnotationAwaitsSecret)
	}
	if !e.config.Reload {
		return want, stale
	}
	// Reloader never reads these on a pod; people do, with kubectl describe. So
	// the author's own text there stays, and is not looked into.
	for _, ref := range refs {
		key := api.ReloaderConfigMap
		if ref.tier == TierParameter {
			key = api.ReloaderSecret
		}
		if _, ok := have[key]; !ok {
			want[key] = ref.name
		}
	}
	return want, stale
}

// Injects names what containers get by envFrom, the highest last:
// "ConfigMap/myapp-config,Secret/myapp-secrets".
func (d Decision) Injects() string {
	text := reference{tier: TierConfigMap, name: d.Identity.ConfigMap}.String()
	if d.Settings.Secrets {
		text += "," + reference{tier: TierParameter, name: d.Identity.Secret}.String()
	}
	return text
}

func add(pointer string, value any) jsonpatch.Operation {
	return jsonpatch.NewOperation("add", pointer, value)
}

// escape writes a key as a token of a JSON pointer, RFC 6901 section 3.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

// Prefix moves operations from a pod template to the object that holds it at
// a JSON pointer, as "/spec/template".
func Prefix(operations []jsonpatch.Operation, pointer string) []jsonpatch.Operation {
	moved := make([]jsonpatch.Operation, len(operations))
	for i, op := range operations {
		moved[i] = jsonpatch.NewOperation(op.Operation, pointer+op.Path, op.Value)
	}
	return moved
}
