package offline

import (
	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/workload"
)

// InheritLabel gives a workload's label to its template, as the workload
// webhook does. The template's own is nearer, and stays.
func InheritLabel(t manifest.Template) []jsonpatch.Operation {
	value, ok := t.Labels[api.LabelInject]
	if !ok || !CopiesLabel(t) || t.Has("/metadata/labels/"+escapedInject) {
		return nil
	}
	labels := map[string]string{api.LabelInject: value}
	switch {
	case t.Has("/metadata/labels"):
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata/labels/"+escapedInject, value)}
	case t.Has("/metadata"):
		return []jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata/labels", labels)}
	}
	return []jsonpatch.Operation{jsonpatch.NewOperation("add", "/metadata", map[string]any{"labels": labels})}
}

// CopiesLabel says that the workload webhook is called for the kind. It is not for
// a CronJob, a Job or a ReplicaSet: a label on their own metadata says nothing.
func CopiesLabel(t manifest.Template) bool {
	return workload.KindOf(schema.GroupKind{Group: t.Group, Kind: t.Kind}).Restartable
}

// labelIsLost says that the workload's own label was meant for its pods, and does
// not reach them.
func labelIsLost(t manifest.Template) bool {
	_, ok := t.Labels[api.LabelInject]
	return ok && !t.IsPod() && !CopiesLabel(t) && !t.Has("/metadata/labels/"+escapedInject)
}

// warnLabelLost is a warning of the commands alone: no webhook is called for these
// kinds.
const warnLabelLost graft.Reason = "LabelLost"

// escapedInject is the label's key as a token of a JSON pointer.
const escapedInject = api.Group + "~1inject"

// escapedInjected is that of the annotation on injected pods.
const escapedInjected = api.Group + "~1injected"
