package reload

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/json"
)

// The rule: an author may move a label or an annotation from one place of the
// workload to the other. It then looks like envgraft's copy, and reverting the copy
// would remove the author's. So envgraft looks up what the author sent, where
// clients record it: what a webhook adds has no field manager, and is in no manifest
// that was applied.

// authors knows what people and their tools sent.
type authors struct {
	managed []managedFields
	applied view
}

// managedFields are the fields that one client owns, see
// https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management.
type managedFields struct {
	FieldsV1 struct {
		Metadata struct {
			Annotations map[string]any `json:"f:annotations"`
		} `json:"f:metadata"`
		Spec struct {
			Template struct {
				Metadata struct {
					Labels map[string]any `json:"f:labels"`
				} `json:"f:metadata"`
			} `json:"f:template"`
		} `json:"f:spec"`
	} `json:"fieldsV1"`
}

// readAuthors reads the traces that server-side apply and updates leave in
// managedFields, and client-side apply in its annotation. One that cannot be
// read tells nothing.
func readAuthors(v view) authors {
	var a authors
	if managed := v.metadata().ManagedFields; len(managed) > 0 && json.Unmarshal(managed, &a.managed) != nil {
		a.managed = nil
	}
	if json.Unmarshal([]byte(v.metadata().Annotations[corev1.LastAppliedConfigAnnotation]), &a.applied) != nil {
		a.applied = view{}
	}
	return a
}

// sentAnnotation says that somebody sent the workload's annotation.
func (a authors) sentAnnotation(key string) bool {
	for _, m := range a.managed {
		if _, ok := m.FieldsV1.Metadata.Annotations["f:"+key]; ok {
			return true
		}
	}
	_, ok := a.applied.metadata().Annotations[key]
	return ok
}

// sentTemplateLabel says that somebody sent the pod template's label.
func (a authors) sentTemplateLabel(key string) bool {
	for _, m := range a.managed {
		if _, ok := m.FieldsV1.Spec.Template.Metadata.Labels["f:"+key]; ok {
			return true
		}
	}
	_, ok := a.applied.template().Labels[key]
	return ok
}
