package graft_test

import (
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

func TestAudit(t *testing.T) {
	const pod = `{"metadata":{"labels":{"app.kubernetes.io/name":"web"},"annotations":{%s}},"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"1"}]}]}}`
	facts := graft.Facts{
		Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"A"}},
		ConfigMap: graft.ConfigMap{State: graft.ConfigMapNotFound},
	}
	cases := map[string]struct {
		reason      string
		mode        string
		annotations string
		raw         string
		optIn       string
		status      graft.Status
		would       graft.Status
		rebound     int
		warning     graft.Reason
	}{
		"Injected": {
			reason: "What would be done is told, and not done.", mode: api.ModeAudit,
			status: graft.StatusAudited, would: graft.StatusInjected, rebound: 1,
		},
		"Denied": {
			reason: "Nobody is held up in the first week.", mode: api.ModeAudit, annotations: `"envgraft.dev/keep":""`,
			status: graft.StatusAudited, would: graft.StatusDenied, warning: graft.WarnAudit,
		},
		"Malformed": {
			reason: "Not by a pod that cannot be read either.", mode: api.ModeAudit, raw: `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":3}}`,
			status: graft.StatusAudited, would: graft.StatusDenied, warning: graft.WarnAudit,
		},
		"UnknownContainer": {
			reason: "Nor by a typo that only the containers show.", mode: api.ModeAudit, annotations: `"envgraft.dev/containers":"ap"`,
			status: graft.StatusAudited, would: graft.StatusDenied, warning: graft.WarnAudit,
		},
		"OptedOut": {
			reason: "Who does not take part is none of the audit's.", mode: api.ModeAudit, optIn: api.Disabled,
			status: graft.StatusSkipped,
		},
		"Typo": {
			reason: "A mode that is not understood must not inject, nor audit, in silence.", mode: "adit",
			status: graft.StatusDenied,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ns := identity.Namespace{
				Name:        "shop",
				Labels:      map[string]string{api.LabelInject: api.Enabled},
				Annotations: map[string]string{api.AnnotationMode: tc.mode},
			}
			if tc.optIn != "" {
				ns.Labels[api.LabelInject] = tc.optIn
			}
			raw := tc.raw
			if raw == "" {
				raw = strings.Replace(pod, "%s", tc.annotations, 1)
			}
			engine := graft.New(graft.Config{
				Rules:            identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()},
				MissingParameter: graft.MissingWait, InvalidParameter: graft.InvalidDeny, Reload: true,
			})
			subject := engine.Inspect(ns, []byte(raw))
			result := subject.Graft(facts)
			if result.Report.Status != tc.status || result.Report.Would != tc.would {
				t.Fatalf("%s\nstatus %q, would %q, want %q and %q", tc.reason, result.Report.Status, result.Report.Would, tc.status, tc.would)
			}
			if len(result.Operations) > 0 {
				t.Errorf("%s\nit patches: %v", tc.reason, result.Operations)
			}
			rebound := 0
			for _, c := range result.Report.Containers {
				rebound += len(c.Rebound)
			}
			if rebound != tc.rebound {
				t.Errorf("%s\nit reports %d literals that would be bound, want %d", tc.reason, rebound, tc.rebound)
			}
			if tc.warning != "" && (len(result.Report.Warnings) == 0 || result.Report.Warnings[0].Reason != tc.warning) {
				t.Errorf("%s\nwarnings: %v, want %s", tc.reason, result.Report.Warnings, tc.warning)
			}
			if names := engine.ReloadNames(subject.Decision); names.Secret != "" || names.ConfigMap != "" {
				t.Errorf("%s\nthe workload would be annotated with %v", tc.reason, names)
			}
		})
	}
}
