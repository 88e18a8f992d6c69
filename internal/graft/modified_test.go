package graft

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// TestModifiedMark has a pod say of which state of its parameter it is, and never
// of one that its author wrote.
func TestModifiedMark(t *testing.T) {
	e := New(Config{Rules: identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()}})
	ns := identity.Namespace{Name: "shop", Labels: map[string]string{api.LabelInject: api.Enabled}}
	pod := []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"x"},"annotations":{"envgraft.dev/parameter-modified":"2099-01-01T00:00:00Z"}},"spec":{"containers":[{"name":"a"}]}}`)
	for _, test := range []struct {
		reason    string
		parameter Parameter
		want      string
	}{
		{"SSM says when", Parameter{State: ParameterFound, Keys: []string{"A"}, Version: 1, Modified: time.Date(2026, 1, 1, 0, 0, 0, 5e6, time.UTC)}, "2026-01-01T00:00:00.005Z"},
		{"it is not known", Parameter{State: ParameterFound, Keys: []string{"A"}, Version: 1}, "remove"},
		{"nothing is known", Parameter{State: ParameterUnreachable}, "remove"},
	} {
		var got string
		for _, op := range e.Inspect(ns, pod).Graft(Facts{Parameter: test.parameter}).Operations {
			if strings.HasSuffix(op.Path, "parameter-modified") {
				got = op.Operation
				if op.Operation == "add" {
					got = fmt.Sprint(op.Value)
				}
			}
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.reason, got, test.want)
		}
	}
}
