package reload

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: a workload's label envgraft.dev/inject goes to its pod template,
// where pods get it from, and is removed with it. A label that the author put into
// the template is the author's, and wins.

// resolveLabel finds the labels that the pod template must have. The value is
// copied as it stands: one that is not understood then denies the pods, with
// the reason, where leaving it out would run them as the Namespace says.
func (w *Workload) resolveLabel() {
	w.labels = w.view.template().Labels
	if !w.HasTemplate() {
		return
	}
	value, set := w.view.metadata().Labels[api.LabelInject]
	if w.selectorNamesLabel() {
		// The API server would refuse a template that its selector no longer matches.
		if set && w.view.template().Labels[api.LabelInject] != value {
			w.warn(value, "spec.selector names it: delete the workload and create it again, with the label in its pod template")
		}
		return
	}

	own, has := w.view.template().Labels[api.LabelInject]
	if has && w.written.Inject != nil && *w.written.Inject == own && !w.authors.sentTemplateLabel(api.LabelInject) {
		w.labels = clone(w.labels)
		delete(w.labels, api.LabelInject)
		has = false
	}
	switch {
	case !set:
	case has && own != value:
		w.warn(value, fmt.Sprintf("the pod template's own says %q: change it there", own))
	case !has:
		w.labels = clone(w.labels)
		w.labels[api.LabelInject] = value
		w.inject = &value
	}
}

func (w *Workload) warn(value, why string) {
	w.warnings = append(w.warnings, fmt.Sprintf("label %s=%s has no effect, as %s", api.LabelInject, value, why))
}

func (w *Workload) selectorNamesLabel() bool {
	s := w.view.Spec.Selector
	if s == nil {
		return false
	}
	if _, ok := s.MatchLabels[api.LabelInject]; ok {
		return true
	}
	for _, e := range s.MatchExpressions {
		if e.Key == api.LabelInject {
			return true
		}
	}
	return false
}
