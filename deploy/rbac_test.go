package deploy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/envgraft/envgraft/internal/api"
)

// TestSecrets holds the webhook to having no right to read an app's Secrets.
func TestSecrets(t *testing.T) {
	own := []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
		{
			APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch", "update"},
			ResourceNames: []string{"envgraft-webhook-tls"},
		},
	}
	want := map[string]struct{ cluster, namespace []rbacv1.PolicyRule }{
		"minimal":    {namespace: own},
		"everything": {}, // cert-manager keeps the certificate
		"no-aws": { // facts.keySource: secret
			cluster: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}},
		},
	}
	eachRelease(t, func(t *testing.T, values string, r release) {
		t.Helper()
		want, ok := want[values]
		if !ok {
			t.Fatalf("say what rights on Secrets the values %q are to give", values)
		}
		if diff := cmp.Diff(want.cluster, onSecrets(clusterRules(r))); diff != "" {
			t.Errorf("rights on Secrets of the whole cluster: -want, +got:\n%s", diff)
		}
		if diff := cmp.Diff(want.namespace, onSecrets(namespaceRules(r))); diff != "" {
			t.Errorf("rights on Secrets of the release's namespace: -want, +got:\n%s", diff)
		}
	})
}

// TestNarrow holds the rules to naming what they grant, and to granting no
// write to what is not envgraft's business.
func TestNarrow(t *testing.T) {
	writable := []string{"deployments", "statefulsets", "daemonsets", "rollouts", "externalsecrets", "events", "mutatingwebhookconfigurations"}
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		for _, rule := range slices.Concat(clusterRules(r), namespaceRules(r)) {
			if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
				t.Errorf("%v grants more than it names", rule)
			}
		}
		for _, rule := range clusterRules(r) {
			for _, verb := range rule.Verbs {
				if slices.Contains([]string{"get", "list", "watch"}, verb) {
					continue
				}
				for _, resource := range rule.Resources {
					if !slices.Contains(writable, resource) {
						t.Errorf("%v lets envgraft %s %s", rule, verb, resource)
					}
				}
			}
			if slices.Contains(rule.Resources, "mutatingwebhookconfigurations") && !slices.Equal(rule.ResourceNames, []string{r.webhooks.Name}) {
				t.Errorf("%v reaches other webhook configurations than %s", rule, r.webhooks.Name)
			}
		}
	})
}

// TestRestartsRight holds the right to change workloads to where the controller
// restarts any.
func TestRestartsRight(t *testing.T) {
	eachRelease(t, func(t *testing.T, values string, r release) {
		t.Helper()
		granted := slices.ContainsFunc(clusterRules(r), func(rule rbacv1.PolicyRule) bool {
			return slices.Contains(rule.Verbs, "patch") &&
				(slices.Contains(rule.Resources, "deployments") || slices.Contains(rule.Resources, "rollouts"))
		})
		// "everything" switches restarts off, and "no-aws" the controller.
		if want := values == "minimal"; granted != want {
			t.Errorf("values %q: patch on workloads is granted: %t, want %t", values, granted, want)
		}
	})
}

func clusterRules(r release) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, role := range r.clusterRoles {
		rules = append(rules, role.Rules...)
	}
	return rules
}

func namespaceRules(r release) []rbacv1.PolicyRule {
	var rules []rbacv1.PolicyRule
	for _, role := range r.roles {
		rules = append(rules, role.Rules...)
	}
	return rules
}

func onSecrets(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, rule := range rules {
		if slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Resources, "*") {
			all = append(all, rule)
		}
	}
	return all
}

// TestLease holds the chart's right to the name that the replicas ask for.
func TestLease(t *testing.T) {
	eachRelease(t, func(t *testing.T, values string, r release) {
		t.Helper()
		granted := slices.ContainsFunc(namespaceRules(r), func(rule rbacv1.PolicyRule) bool {
			return slices.Contains(rule.Resources, "leases") && slices.Contains(rule.ResourceNames, api.Lease)
		})
		// Where no controller runs there is nobody to elect.
		if want := values != "no-aws"; granted != want {
			t.Errorf("values %q: the right to Lease %q is given: %t, want %t", values, api.Lease, granted, want)
		}
	})
}

// TestRightsDocumented compares the table of docs/security.md with the rules:
// whoever reviews the one must not be surprised by the other.
func TestRightsDocumented(t *testing.T) {
	_, section, _ := strings.Cut(read(t, "../docs/security.md"), "\n## What it may do, and why\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*` on `[^|;,]*`(?:, `\\w+`)*)").FindAllStringSubmatch(section, -1) {
		verbs, resources, _ := strings.Cut(row[1], " on ")
		for _, verb := range code.FindAllString(verbs, -1) {
			for _, resource := range code.FindAllString(resources, -1) {
				documented[verb+" "+resource] = true
			}
		}
	}
	granted := make(map[string]bool)
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		for _, rule := range slices.Concat(clusterRules(r), namespaceRules(r)) {
			for _, verb := range rule.Verbs {
				for _, resource := range rule.Resources {
					granted["`"+verb+"` `"+resource+"`"] = true
				}
			}
		}
	})
	if diff := cmp.Diff(granted, documented); diff != "" {
		t.Errorf("rights: -chart, +docs/security.md:\n%s", diff)
	}
}

var code = regexp.MustCompile("`\\w+`")
