package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/reload"
	"github.com/envgraft/envgraft/internal/warning"
	"github.com/envgraft/envgraft/test/canary"
)

// named is what a warning may repeat of what people and others named.
type named struct {
	namespace, owner, app, container, secret, configMap, parameter, variable, cause string
	keys                                                                            []string
}

func typicalNames() named {
	return named{
		namespace: "shop", owner: "store", app: "shop", container: "app", secret: "shop-secrets", configMap: "shop-config",
		parameter: "/shop/shop/prod/app", variable: "API_KEY", cause: "no answer in time", keys: []string{"app.port", "PATH"},
	}
}

// longestNames are the longest that Kubernetes and SSM take, and a cause of
// the length at which causes are cut.
func longestNames() named {
	label, object := strings.Repeat("n", 63), strings.Repeat("a", 253)
	return named{
		namespace: label, owner: label, app: label, container: label, secret: object, configMap: object,
		parameter: "/" + label + "/" + label + "/prod" + strings.Repeat("/"+strings.Repeat("p", 67), 12), variable: strings.Repeat("V", 253),
		cause: strings.Repeat("cause ", 50), keys: []string{strings.Repeat("k.", 126), "LD_" + strings.Repeat("K", 250)},
	}
}

// pod is one whose literal holds a canary.
func (n named) pod(annotations map[string]string, valueFrom bool) []byte {
	variable := map[string]any{"name": n.variable, "value": canary.Value("literal")}
	if valueFrom {
		variable = map[string]any{"name": n.variable, "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "metadata.name"}}}
	}
	all := map[string]string{api.AnnotationSecretName: n.secret, api.AnnotationConfigMapName: n.configMap, api.AnnotationParameter: n.parameter}
	maps.Copy(all, annotations)
	raw, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": map[string]string{api.LabelApp: n.app}, "annotations": all},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": n.container, "env": []any{variable}}}},
	})
	if err != nil {
		panic(err) // strings marshal
	}
	return raw
}

// warned is one way to each warning.
type warned struct {
	reason graft.Reason
	// fix is what must be left of it, however long the names are.
	fix  string
	make func(named) []graft.Warning
}

func allWarned() []warned {
	engine := graft.New(graft.Config{
		Rules:            identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "prod", Names: identity.DefaultNames()},
		MissingParameter: graft.MissingWait, InvalidParameter: graft.InvalidWarn, Reload: true,
	})
	type change struct {
		annotations map[string]string
		namespace   func(*identity.Namespace)
		facts       func(named) graft.Facts
		valueFrom   bool
	}
	grafted := func(c change) func(named) []graft.Warning {
		return func(n named) []graft.Warning {
			ns := identity.Namespace{Name: n.namespace, Labels: map[string]string{api.LabelInject: api.Enabled}}
			if c.namespace != nil {
				c.namespace(&ns)
			}
			var facts graft.Facts
			if c.facts != nil {
				facts = c.facts(n)
			}
			return engine.Inspect(ns, n.pod(c.annotations, c.valueFrom)).Graft(facts).Report.Warnings
		}
	}
	parameter := func(state graft.ParameterState) func(named) graft.Facts {
		return func(n named) graft.Facts {
			return graft.Facts{Parameter: graft.Parameter{State: state, Cause: n.cause}}
		}
	}
	keys := func(n named) graft.Facts {
		all := append(slices.Clone(n.keys), n.variable)
		slices.Sort(all)
		return graft.Facts{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: all}}
	}
	required := map[string]string{api.AnnotationConfigMapRequired: "true"}
	return []warned{
		{graft.WarnNoApp, "set label app.kubernetes.io/name or envgraft.dev/app on the pod template", func(n named) []graft.Warning {
			ns := identity.Namespace{Name: n.namespace, Labels: map[string]string{api.LabelInject: api.Enabled}}
			return engine.Inspect(ns, []byte(`{"spec":{}}`)).Graft(graft.Facts{}).Report.Warnings
		}},
		{graft.WarnParameterMissing, "aws ssm put-parameter --type SecureString --name ", grafted(change{facts: parameter(graft.ParameterNotFound)})},
		{graft.WarnParameterMissing, "create it, and the pod is restarted", grafted(change{
			facts: parameter(graft.ParameterNotFound), annotations: map[string]string{api.AnnotationSecretOptional: "true"},
		})},
		{graft.WarnRunsWithout, "label it envgraft.dev/app; to leave it out: envgraft.dev/inject=disabled", func(n named) []graft.Warning {
			auto := graft.New(graft.Config{
				Rules:            identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "prod", Names: identity.DefaultNames()},
				MissingParameter: graft.MissingAuto,
			})
			ns := identity.Namespace{Name: n.namespace, Labels: map[string]string{api.LabelInject: api.Enabled}}
			pod := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, api.LabelName, n.app)
			return auto.Inspect(ns, pod).Graft(graft.Facts{
				Parameter: graft.Parameter{State: graft.ParameterNotFound}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapNotFound}, NeverSeen: true,
			}).Report.Warnings
		}},
		{graft.WarnParameterEmpty, "put keys there, and it is restarted", grafted(change{facts: parameter(graft.ParameterEmpty)})},
		{graft.WarnParameterInvalid, "see envgraft parameters check ", grafted(change{facts: parameter(graft.ParameterNotObject)})},
		{graft.WarnParameterUnknown, "allow envgraft's role ssm:GetParameter and kms:Decrypt", grafted(change{facts: parameter(graft.ParameterAccessDenied)})},
		{graft.WarnParameterUnknown, "restart the pods later", grafted(change{facts: parameter(graft.ParameterThrottled)})},
		{graft.WarnUncheckedLiterals, "restart the pods later", grafted(change{facts: parameter(graft.ParameterUnreachable)})},
		{graft.WarnUncheckedLiterals, "remove those that are keys", grafted(change{facts: parameter(graft.ParameterUnchecked)})},
		{graft.WarnConfigMapMissing, "kubectl create configmap ", grafted(change{annotations: required, facts: func(n named) graft.Facts {
			facts := keys(n)
			facts.ConfigMap.State = graft.ConfigMapNotFound
			return facts
		}})},
		{graft.WarnConfigMapUnknown, "remove literals of their names", grafted(change{facts: func(n named) graft.Facts {
			facts := keys(n)
			facts.ConfigMap = graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: n.cause}
			return facts
		}})},
		{graft.WarnShadowedKey, "remove it, or keep it by annotation envgraft.dev/keep", grafted(change{facts: keys, valueFrom: true})},
		{graft.WarnKeyName, "rename them", grafted(change{facts: keys})},
		{graft.WarnDangerousKey, "rename them", grafted(change{facts: keys})},
		{graft.WarnExternalSecret, "install the External Secrets Operator", grafted(change{facts: func(n named) graft.Facts {
			facts := keys(n)
			id := identity.Identity{Secret: n.secret, Parameter: n.parameter}
			facts.ExternalSecret = (&eso.Installation{}).Examine(context.Background(), n.namespace, id, externalsecret.StoreRef{}, nil, time.Time{}).Message
			return facts
		}})},
		{graft.WarnSystemByName, "kubectl label namespace ", func(n named) []graft.Warning {
			return grafted(change{facts: keys, namespace: func(ns *identity.Namespace) { ns.Claimant = n.owner }})(n)
		}},
		{graft.WarnAudit, `use "true" or "false"`, grafted(change{
			annotations: map[string]string{api.AnnotationSecretOptional: "perhaps"},
			namespace:   func(ns *identity.Namespace) { ns.Annotations = map[string]string{api.AnnotationMode: api.ModeAudit} },
		})},
		{graft.WarnPodsDenied, `use "true" or "false"`, func(n named) []graft.Warning {
			ns := identity.Namespace{Name: n.namespace, Labels: map[string]string{api.LabelInject: api.Enabled}}
			raw := n.pod(map[string]string{api.AnnotationSecretOptional: n.secret}, false)
			return workloadWarnings("StatefulSet", engine.Inspect(ns, raw).Decision, reload.Result{})
		}},
		{graft.WarnReload, `use "enabled" or "disabled"`, func(n named) []graft.Warning {
			return reloadWarnings(`"annotations":{"envgraft.dev/reload":"` + n.secret + `"}`)
		}},
		{graft.WarnReload, "change it there", func(n named) []graft.Warning {
			return reloadWarnings(`"labels":{"envgraft.dev/inject":"` + n.app + `"}`)
		}},
	}
}

func reloadWarnings(metadata string) []graft.Warning {
	w, err := reload.Read([]byte(`{"metadata":{` + metadata + `},"spec":{"template":{"metadata":{"labels":{"envgraft.dev/inject":"enabled"}},"spec":{}}}}`))
	if err != nil {
		panic(err) // it is an object
	}
	result, err := w.Annotate(reload.Names{})
	if err != nil {
		panic(err) // it is an object
	}
	return workloadWarnings("StatefulSet", graft.Decision{}, result)
}

// TestWarningsFitKubectl has each warning be short by the names that people
// use, and by the longest that there can be lose neither its fix nor, to the API
// server, its end.
func TestWarningsFitKubectl(t *testing.T) {
	const short = 160 // with a command to copy; most are below 130
	have := map[graft.Reason]bool{}
	for _, tc := range allWarned() {
		have[tc.reason] = true
		for names, limit := range map[string]int{"typical": short, "longest": warning.MaxLength} {
			n := map[string]named{"typical": typicalNames(), "longest": longestNames()}[names]
			warnings := tc.make(n)
			at := slices.IndexFunc(warnings, func(w graft.Warning) bool { return w.Reason == tc.reason })
			if at < 0 {
				t.Errorf("%s, %s names: only %v", tc.reason, names, warnings)
				continue
			}
			text := texts(warnings[at : at+1])[0]
			if length := utf8.RuneCountInString(text); length > limit {
				t.Errorf("%s, %s names: %d characters, want at most %d: %s", tc.reason, names, length, limit, text)
			}
			if !strings.Contains(text, ": "+tc.fix) {
				t.Errorf("%s, %s names: the fix %q is missing: %s", tc.reason, names, tc.fix, text)
			}
			if told := canary.Find(text); len(told) > 0 {
				t.Errorf("%s tells a value: %s", tc.reason, text)
			}
		}
	}
	for _, reason := range graft.Warnings() {
		if !have[reason] {
			t.Errorf("nothing here makes a warning %s", reason)
		}
	}
}
