package webhook

import (
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// TestParameterComesWithItsApp is the race of missingParameter: auto, in which
// the parameter and its app are made together. Whatever the webhook learns
// first, no pod starts without its Secret unless it is marked to be restarted,
// and no pod does once anything in the cluster has to do with the parameter.
func TestParameterComesWithItsApp(t *testing.T) {
	missing, there := graft.Parameter{State: graft.ParameterNotFound}, graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}}
	none := graft.ConfigMap{State: graft.ConfigMapNotFound}
	unseen, seen := facts.State{NeverSeen: true, SecretMissing: true}, facts.State{SecretMissing: true}
	cases := []struct {
		reason    string
		parameter graft.Parameter
		state     facts.State
		optional  bool
	}{
		{"Before the parameter is made.", missing, unseen, true},
		{"It was made, and SSM's answer of before is still kept.", missing, unseen, true},
		{"SSM has it, and ESO has not made the Secret.", there, unseen, false},
		{"ESO synced, and an answer of before is still kept.", missing, seen, false},
		{"SSM does not answer.", graft.Parameter{State: graft.ParameterUnreachable}, unseen, false},
		{"Nobody could look at the parameter.", graft.Parameter{State: graft.ParameterNotFound, Inferred: true}, unseen, false},
	}
	for _, tc := range cases {
		w := world{parameter: tc.parameter, configMap: none, state: tc.state}
		pods := w.handler(&strings.Builder{})
		pods.Engine = graft.New(graft.Config{
			Rules:            identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()},
			MissingParameter: graft.MissingAuto, InvalidParameter: graft.InvalidDeny,
		})
		response := pods.Handle(t.Context(), podReview(nil))
		if !response.Allowed {
			t.Fatalf("%s denied: %s", tc.reason, response.Result.Message)
		}
		optional, awaits := false, false
		for _, op := range response.Patches {
			text := op.Json()
			optional = optional || strings.Contains(text, `"secretRef":{"name":"myapp-secrets","optional":true}`)
			awaits = awaits || strings.Contains(text, api.AnnotationAwaitsSecret)
		}
		if optional != tc.optional || awaits != tc.optional {
			t.Errorf("%s the Secret is optional: %t, the pod is restarted when it comes: %t, want both %t", tc.reason, optional, awaits, tc.optional)
		}
		if tells := strings.Contains(strings.Join(response.Warnings, "\n"), "runs without"); tells != tc.optional {
			t.Errorf("%s warnings %q", tc.reason, response.Warnings)
		}
	}
}
