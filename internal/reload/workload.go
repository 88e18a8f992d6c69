package reload

import (
	stdjson "encoding/json"
	"fmt"
	"maps"

	"gomodules.xyz/jsonpatch/v2"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
)

// Workload is a Deployment, StatefulSet, DaemonSet or Argo Rollout that was
// read, with what an earlier admission wrote to it told apart.
type Workload struct {
	raw []byte
	// templateSpec is the pod template's spec, unread.
	templateSpec []byte
	view         view
	authors      authors
	written      record
	// labels are the pod template's as they will be.
	labels   map[string]string
	inject   *string
	warnings []string
}

// view holds the fields of a workload that count here, so that those unknown
// to us are never decoded and never lost.
type view struct {
	Kind     string    `json:"kind"`
	Metadata *metadata `json:"metadata"`
	Spec     struct {
		Selector *selector `json:"selector"`
		Template *struct {
			Metadata *metadata `json:"metadata"`
		} `json:"template"`
	} `json:"spec"`
}

type metadata struct {
	Labels        map[string]string  `json:"labels"`
	Annotations   map[string]string  `json:"annotations"`
	ManagedFields stdjson.RawMessage `json:"managedFields"`
}

func (v view) metadata() metadata {
	if v.Metadata == nil {
		return metadata{}
	}
	return *v.Metadata
}

func (v view) template() metadata {
	if v.Spec.Template == nil || v.Spec.Template.Metadata == nil {
		return metadata{}
	}
	return *v.Spec.Template.Metadata
}

type selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key string `json:"key"`
	} `json:"matchExpressions"`
}

// Names are the objects whose changes must replace the workload's pods; an
// empty one is none.
type Names struct {
	Secret    string
	ConfigMap string
	// RolloutStrategy is how Reloader replaces the pods of an Argo Rollout, one
	// of the Strategy constants; empty leaves that to Reloader and the author.
	RolloutStrategy string
}

// Result is what to do to a workload.
type Result struct {
	// Operations are a JSON patch (RFC 6902) for the document that was read.
	Operations []jsonpatch.Operation
	// Warnings are for the workload's author.
	Warnings []string
}

// Read reads a workload in JSON.
func Read(raw []byte) (*Workload, error) {
	w := &Workload{raw: raw}
	spec, err := measure(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot read the workload: %w", err)
	}
	w.templateSpec = spec
	// Not encoding/json: that would take "Spec" for "spec".
	if err := json.Unmarshal(raw, &w.view); err != nil {
		return nil, fmt.Errorf("cannot read the workload: %w", err)
	}
	w.authors = readAuthors(w.view)
	w.written = readRecord(w.view.metadata().Annotations)
	w.resolveLabel()
	return w, nil
}

// HasTemplate is false for a Rollout that takes its template from elsewhere
// (workloadRef).
func (w *Workload) HasTemplate() bool { return w.view.Spec.Template != nil }

// Template returns the pod template in JSON, with the labels that it will have:
// of its metadata labels and annotations alone, and its spec as it stands.
func (w *Workload) Template() ([]byte, error) {
	var template struct {
		Metadata struct {
			Labels      map[string]string `json:"labels,omitempty"`
			Annotations map[string]string `json:"annotations,omitempty"`
		} `json:"metadata"`
		Spec stdjson.RawMessage `json:"spec,omitempty"`
	}
	template.Metadata.Labels, template.Metadata.Annotations = w.labels, w.view.template().Annotations
	template.Spec = w.templateSpec
	return stdjson.Marshal(template)
}

// Annotate returns what makes Reloader replace the workload's pods when one of
// the named objects changes, and reverts what an earlier admission wrote
// and these names do not need. It is the same for the same object and
// names, and nothing for its own output.
func (w *Workload) Annotate(names Names) (Result, error) {
	warnings := w.warnings
	off, warning := w.reloadDisabled()
	if warning != "" {
		warnings = append(warnings, warning)
	}
	if off {
		names = Names{}
	}
	own := w.written.revert(w.view.metadata().Annotations, w.authors)
	if w.view.Kind != workload.Rollout {
		names.RolloutStrategy = ""
	}
	want, written := annotate(own, w.view.template().Annotations, names)
	written.Inject = w.inject
	if err := written.save(want); err != nil {
		return Result{}, fmt.Errorf("cannot write annotation %s: %w", api.AnnotationWritten, err)
	}
	if err := validation.ValidateAnnotationsSize(want); err != nil {
		// The API server would refuse the whole object for our annotations.
		return Result{Warnings: append(warnings, fmt.Sprintf("not annotated for Reloader (%v): remove annotations of its own", err))}, nil
	}
	return Result{Operations: w.operations(want), Warnings: warnings}, nil
}

// reloadDisabled reads the workload's say. A value that is not understood
// warns and counts as none: nothing here may hold up a rollout.
func (w *Workload) reloadDisabled() (off bool, warning string) {
	value, ok := w.view.metadata().Annotations[api.AnnotationReload]
	switch {
	case !ok, value == api.Enabled:
		return false, ""
	case value == api.Disabled:
		return true, ""
	}
	return false, fmt.Sprintf("annotation %s is %q and has no effect: use %q or %q", api.AnnotationReload, value, api.Enabled, api.Disabled)
}

// operations brings metadata and template to what they must be.
func (w *Workload) operations(annotations map[string]string) []jsonpatch.Operation {
	operations := patchMap("/metadata", w.view.Metadata != nil, "annotations", w.view.metadata().Annotations, annotations)
	if !w.HasTemplate() {
		return operations
	}
	exists := w.view.Spec.Template.Metadata != nil
	return append(operations, patchMap("/spec/template/metadata", exists, "labels", w.view.template().Labels, w.labels)...)
}

// clone never returns nil.
func clone(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return maps.Clone(m)
}
