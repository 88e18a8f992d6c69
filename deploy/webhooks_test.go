package deploy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// TestPodsGoThroughOne tries every combination of labels: a pod that the engine
// would inject or deny is sent to exactly one webhook, any other to none.
func TestPodsGoThroughOne(t *testing.T) {
	values := []string{"", api.Enabled, api.Disabled, "true"} // "" for no label
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		for _, namespace := range []string{"popapps", "kube-system", "kube-public", "kube-node-lease", systemNamespace} {
			for _, ofNamespace := range values {
				for _, ofPod := range values {
					want := 0
					optIn, err := identity.ResolveOptIn(identity.Namespace{Name: namespace, Labels: inject(ofNamespace)}, inject(ofPod))
					if namespace == "popapps" && (optIn.Enabled || err != nil) {
						want = 1
					}
					got := called(t, r.webhooks, api.PodsWebhook, namespace, ofNamespace, ofPod)
					if len(got) != want {
						t.Errorf("a pod labelled %q in namespace %s labelled %q goes through %q, want %d webhooks", ofPod, namespace, ofNamespace, got, want)
					}
				}
			}
		}
	})
}

// TestWorkloadsGoThroughOne does the same for workloads. Which of those in a
// namespace without the label are sent is a matter of matchConditions.
func TestWorkloadsGoThroughOne(t *testing.T) {
	r := render(t, "--values", "testdata/values/minimal.yaml")
	for ofNamespace, want := range map[string]string{
		"":           "workload.workloads.envgraft.dev",
		api.Enabled:  "namespace.workloads.envgraft.dev",
		api.Disabled: "namespace.workloads.envgraft.dev",
	} {
		got := called(t, r.webhooks, api.WorkloadsWebhook, "popapps", ofNamespace, "")
		if diff := cmp.Diff([]string{want}, got); diff != "" {
			t.Errorf("a workload in a namespace labelled %q: -want, +got:\n%s", ofNamespace, diff)
		}
	}
	if got := called(t, r.webhooks, api.WorkloadsWebhook, systemNamespace, api.Enabled, api.Enabled); len(got) != 0 {
		t.Errorf("envgraft's own Deployment goes through %q", got)
	}
	for _, webhook := range r.webhooks.Webhooks {
		conditions := fmt.Sprint(webhook.MatchConditions)
		needed := webhook.Name == "workload.workloads.envgraft.dev"
		for _, key := range []string{api.LabelInject, api.AnnotationWritten} {
			if strings.Contains(conditions, "'"+key+"' in object") != needed {
				t.Errorf("webhook %s has the conditions %s", webhook.Name, conditions)
			}
		}
	}
}

// TestBypass holds the break-the-glass label to taking a namespace out, however
// its pods and workloads opted in.
func TestBypass(t *testing.T) {
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		for _, webhook := range r.webhooks.Webhooks {
			for _, ofNamespace := range []string{"", api.Enabled, api.Disabled, "typo"} {
				namespace := labels.Merge(inject(ofNamespace), labels.Set{"kubernetes.io/metadata.name": "shop", api.LabelBypass: "true"})
				if selector(t, webhook.NamespaceSelector).Matches(namespace) {
					t.Errorf("%s is called for a namespace labelled %s, with %s=%q", webhook.Name, api.LabelBypass, api.LabelInject, ofNamespace)
				}
			}
		}
	})
}

func inject(value string) map[string]string {
	if value == "" {
		return nil
	}
	return map[string]string{api.LabelInject: value}
}

// called returns the webhooks of a path that selectors send an object to.
func called(t *testing.T, c *admissionv1.MutatingWebhookConfiguration, path, namespace, ofNamespace, ofObject string) []string {
	t.Helper()
	namespaceLabels := labels.Merge(inject(ofNamespace), labels.Set{"kubernetes.io/metadata.name": namespace})
	var names []string
	for _, webhook := range c.Webhooks {
		if *webhook.ClientConfig.Service.Path == path &&
			selector(t, webhook.NamespaceSelector).Matches(namespaceLabels) &&
			selector(t, webhook.ObjectSelector).Matches(labels.Set(inject(ofObject))) {
			names = append(names, webhook.Name)
		}
	}
	return names
}

func selector(t *testing.T, s *metav1.LabelSelector) labels.Selector {
	t.Helper()
	if s == nil {
		return labels.Everything() // as the API server defaults it
	}
	out, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWebhookSettings holds the webhooks to what keeps them from harm.
func TestWebhookSettings(t *testing.T) {
	eachRelease(t, func(t *testing.T, values string, r release) {
		t.Helper()
		for _, webhook := range r.webhooks.Webhooks {
			policy := admissionv1.Fail
			if values == "everything" || *webhook.ClientConfig.Service.Path == api.WorkloadsWebhook {
				policy = admissionv1.Ignore
			}
			if *webhook.FailurePolicy != policy {
				t.Errorf("%s: failurePolicy is %s, want %s", webhook.Name, *webhook.FailurePolicy, policy)
			}
			// Any other value breaks dry runs, and with them GitOps tools.
			if *webhook.SideEffects != admissionv1.SideEffectClassNone {
				t.Errorf("%s: sideEffects is %s", webhook.Name, *webhook.SideEffects)
			}
			// Others change pods behind us; of workloads nothing that they change matters.
			again := admissionv1.IfNeededReinvocationPolicy
			if *webhook.ClientConfig.Service.Path == api.WorkloadsWebhook {
				again = admissionv1.NeverReinvocationPolicy
			}
			if *webhook.MatchPolicy != admissionv1.Equivalent || *webhook.ReinvocationPolicy != again {
				t.Errorf("%s: matchPolicy is %s, reinvocationPolicy is %s", webhook.Name, *webhook.MatchPolicy, *webhook.ReinvocationPolicy)
			}
			if diff := cmp.Diff([]string{"v1"}, webhook.AdmissionReviewVersions); diff != "" {
				t.Errorf("%s: admissionReviewVersions: -want, +got:\n%s", webhook.Name, diff)
			}
			for _, rule := range webhook.Rules {
				if *rule.Scope != admissionv1.NamespacedScope {
					t.Errorf("%s: scope of %q is %s", webhook.Name, rule.Resources, *rule.Scope)
				}
			}
		}
	})
}

// certificate is what the chart asks cert-manager for.
type certificate struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		IsCA                              bool
		SecretName, Duration, RenewBefore string
		PrivateKey                        struct{ RotationPolicy string }
		IssuerRef                         struct{ Kind, Name string }
		SelfSigned                        map[string]any
		CA                                struct{ SecretName string }
	}
}

// TestCertManager follows the chain: the serving certificate is signed by a CA that
// stays. certs.TestCertManagerRenewal shows what it is for.
func TestCertManager(t *testing.T) {
	all := map[string]certificate{}
	for document := range strings.SplitSeq(template(t, "--values", "testdata/values/everything.yaml", "--show-only", "templates/certmanager.yaml"), "\n---\n") {
		var c certificate
		if err := yaml.Unmarshal([]byte(document), &c); err != nil {
			t.Fatal(err)
		}
		all[c.Kind+"/"+c.Metadata.Name] = c
	}
	serving := all["Certificate/graft-webhook-tls"]
	issuer := all["Issuer/"+serving.Spec.IssuerRef.Name]
	ca := all["Certificate/"+issuer.Spec.CA.SecretName]
	if ca.Spec.SecretName == "" || ca.Spec.SecretName != issuer.Spec.CA.SecretName || !ca.Spec.IsCA || serving.Spec.IsCA {
		t.Fatalf("the serving certificate is not signed by a CA:\n%+v\n%+v\n%+v", serving, issuer, ca)
	}
	if ca.Spec.PrivateKey.RotationPolicy != "Never" {
		t.Errorf("the CA's key changes when it is renewed (%q): what it signed before is refused then", ca.Spec.PrivateKey.RotationPolicy)
	}
	if all["Issuer/"+ca.Spec.IssuerRef.Name].Spec.SelfSigned == nil {
		t.Errorf("the CA's issuer %q does not sign itself", ca.Spec.IssuerRef.Name)
	}
	const serves = 90 * 24 * time.Hour // cert-manager's default
	if left, err := time.ParseDuration(ca.Spec.RenewBefore); err != nil || left <= serves {
		t.Errorf("the CA is renewed %s before it expires (%v), later than the last certificate that it signs", ca.Spec.RenewBefore, err)
	}
}
