package offline

import (
	"context"
	"fmt"

	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/explain"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// ExplainAll explains all outcomes by what is known besides.
func ExplainAll(ctx context.Context, known facts.Static, outcomes []Outcome) ([]explain.Explanation, error) {
	known.Partial = true
	explanations := make([]explain.Explanation, len(outcomes))
	for i, o := range outcomes {
		explained, err := o.about(ctx, known).Explain()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", Describe(o.Template, o.Namespace), err)
		}
		explanations[i] = explained
	}
	return explanations, nil
}

// about gathers what is to be explained of a document.
func (o Outcome) about(ctx context.Context, known facts.Static) explain.Subject {
	return explain.Subject{
		Kind: o.Template.Kind, Namespace: o.Namespace, Name: o.Template.Name, From: o.Template.Document.File,
		Report: o.Report, Pod: o.patched,
		Keys: func(kind, name string) ([]string, bool) { return o.keys(ctx, known, kind, name) },
	}
}

// keys returns what is known of an object that a container refers to.
func (o Outcome) keys(ctx context.Context, known facts.Static, kind, name string) ([]string, bool) {
	switch {
	case kind == envresolve.KindConfigMap:
		found := known.ConfigMap(ctx, o.Namespace, name)
		return found.Keys, found.State != graft.ConfigMapUnknown
	case kind == envresolve.KindSecret && name == o.Report.Identity.Secret:
		return o.known.Parameter.Keys, o.known.Parameter.Known()
	}
	return nil, false
}
