package uninstall

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/policy"
)

func webhooksNamed(name, webhook string) *admissionv1.MutatingWebhookConfiguration {
	return &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}, Webhooks: []admissionv1.MutatingWebhook{{Name: webhook}}}
}

// TestRemoveAdmission leaves nothing that would write again, and takes nothing
// that is not envgraft's.
func TestRemoveAdmission(t *testing.T) {
	const ours, others = "namespace.pods.envgraft.dev", "mutate.kyverno.svc-fail"
	for name, tc := range map[string]struct {
		reason   string
		webhooks []client.Object
		policies []string
		release  string
		want     string // of the error
		left     []string
	}{
		"Ours":         {"and another's stays", []client.Object{webhooksNamed("envgraft", ours), webhooksNamed("kyverno", others)}, nil, "envgraft", "", []string{"kyverno"}},
		"WrongRelease": {"the live one would undo it all", []client.Object{webhooksNamed("graft", ours)}, nil, "envgraft", `"graft" is envgraft's, too`, []string{"graft"}},
		"Two":          {"the other one, too", []client.Object{webhooksNamed("envgraft", ours), webhooksNamed("graft", ours)}, nil, "envgraft", "--webhook-configuration graft", []string{"graft"}},
		"NotOurs":      {"of that name, and another program's", []client.Object{webhooksNamed("kyverno", others)}, nil, "kyverno", "", []string{"kyverno"}},
		"Again":        {"a run that was cut off is run again", nil, nil, "envgraft", "", nil},
		"Standby":      {"the policy would go on injecting", []client.Object{webhooksNamed("envgraft", ours)}, []string{"envgraft"}, "envgraft", "", nil},
		"OtherStandby": {"under another name", nil, []string{"standby"}, "envgraft", "--policy standby", []string{"standby"}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := slices.Clone(tc.webhooks)
			for _, p := range tc.policies {
				for _, o := range (policy.Options{Name: p, Engine: config.Default().Engine()}).Objects() {
					objects = append(objects, o.(client.Object))
				}
			}
			c := fake.NewClientBuilder().WithObjects(objects...).Build()
			var out bytes.Buffer
			if err := (Remover{Client: c, Out: &out, Webhooks: tc.release, Policy: "envgraft"}).Run(t.Context()); (err == nil) != (tc.want == "") {
				t.Errorf("%s: without --yes it says %v, want %q", tc.reason, err, tc.want)
			}
			if left := leftOf(t, c); len(left) != len(objects) {
				t.Errorf("%s: without --yes %q are left of %d", tc.reason, left, len(objects))
			}
			err := (Remover{Client: c, Out: &out, Webhooks: tc.release, Policy: "envgraft", Yes: true}).Run(t.Context())
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
			left := leftOf(t, c)
			if slices.Sort(left); !slices.Equal(slices.Compact(left), tc.left) && tc.policies == nil || tc.want == "" && tc.policies != nil && len(left) > 0 {
				t.Errorf("%s: %q are left, want %q\n%s", tc.reason, left, tc.left, &out)
			}
		})
	}
}

// leftOf names what the API server would still ask.
func leftOf(t *testing.T, c client.Client) []string {
	t.Helper()
	var names []string
	for _, list := range []client.ObjectList{
		&admissionv1.MutatingWebhookConfigurationList{}, &admissionv1.MutatingAdmissionPolicyList{}, &admissionv1.MutatingAdmissionPolicyBindingList{},
		&admissionv1.ValidatingAdmissionPolicyList{}, &admissionv1.ValidatingAdmissionPolicyBindingList{},
	} {
		if err := c.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		switch l := list.(type) {
		case *admissionv1.MutatingWebhookConfigurationList:
			for _, o := range l.Items {
				names = append(names, o.Name)
			}
		case *admissionv1.MutatingAdmissionPolicyList:
			for _, o := range l.Items {
				names = append(names, o.Name)
			}
		case *admissionv1.MutatingAdmissionPolicyBindingList:
			for _, o := range l.Items {
				names = append(names, o.Name)
			}
		case *admissionv1.ValidatingAdmissionPolicyList:
			for _, o := range l.Items {
				names = append(names, o.Name)
			}
		case *admissionv1.ValidatingAdmissionPolicyBindingList:
			for _, o := range l.Items {
				names = append(names, o.Name)
			}
		}
	}
	return names
}
