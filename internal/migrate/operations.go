package migrate

import (
	"maps"
	"slices"

	"gomodules.xyz/jsonpatch/v2"
)

// operations writes the labels and annotations, each by its own operation
// where the map is there, so that nobody else's are touched.
func (a *planner) operations() {
	if len(a.plan.Labels) > 0 {
		a.plan.Object = append(set("/metadata/labels", a.Labels, a.plan.Labels), a.plan.Object...)
	}
	if !hasMetadata(a) && len(a.plan.TemplateLabels)+len(a.plan.Annotations) > 0 {
		a.plan.Template = append(a.plan.Template, jsonpatch.NewOperation("add", "/metadata", map[string]any{}))
	}
	a.plan.Template = append(a.plan.Template, set("/metadata/labels", a.template.Labels, a.plan.TemplateLabels)...)
	a.plan.Template = append(a.plan.Template, set("/metadata/annotations", a.template.Annotations, a.plan.Annotations)...)
}

// hasMetadata is false for a template that has none: nothing can be added below.
func hasMetadata(a *planner) bool {
	m := a.template.ObjectMeta
	return len(m.Labels)+len(m.Annotations) > 0 || m.Name != ""
}

func set(pointer string, have, want map[string]string) []jsonpatch.Operation {
	if len(want) == 0 {
		return nil
	}
	if len(have) == 0 {
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", pointer, want)}
	}
	var operations []jsonpatch.Operation
	for _, key := range slices.Sorted(maps.Keys(want)) {
		operations = append(operations, jsonpatch.NewOperation("add", pointer+"/"+escape(key), want[key]))
	}
	return operations
}
