package webhook

import (
	"context"
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// bypassing is a namespace that the webhooks are not called for, and is
// remembered so or not.
type bypassing struct {
	world
	remembered, current bool
}

func (b *bypassing) namespace(name string, bypass bool) identity.Namespace {
	ns := identity.Namespace{Name: name, Labels: map[string]string{api.LabelInject: api.Enabled}}
	if bypass {
		ns.Labels[api.LabelBypass] = ""
	}
	return ns
}

func (b *bypassing) Namespace(_ context.Context, name string) (identity.Namespace, error) {
	return b.namespace(name, b.remembered), nil
}

func (b *bypassing) Current(_ context.Context, name string) (identity.Namespace, error) {
	return b.namespace(name, b.current), nil
}

// TestBypassed tells whoever sends a review for a namespace that no API server
// sends one for nothing; one whose label has just gone is not missed.
func TestBypassed(t *testing.T) {
	for reason, tc := range map[string]struct {
		remembered, current, patched bool
	}{
		"the label keeps API servers away":         {true, true, false},
		"the label has gone, and memory is late":   {true, false, true},
		"a namespace without the label is grafted": {false, false, true},
	} {
		b := &bypassing{remembered: tc.remembered, current: tc.current}
		b.parameter = graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}}
		pods := b.handler(&strings.Builder{})
		pods.Namespaces = b
		response := pods.Handle(t.Context(), podReview(nil))
		if !response.Allowed || len(response.Patches) > 0 != tc.patched || len(b.asked) > 0 != tc.patched {
			t.Errorf("%s: allowed %t, %d operations, asked %v", reason, response.Allowed, len(response.Patches), b.asked)
		}
	}
}
