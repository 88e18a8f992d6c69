// Package policy writes the engine's rules that need no facts as a
// MutatingAdmissionPolicy: CEL that API servers evaluate themselves, also while no
// replica of the webhook answers.
package policy

import (
	"encoding/json"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
)

// Options say what to write.
type Options struct {
	// Name is that of all objects.
	Name string
	// Engine is what the webhook goes by.
	Engine graft.Config
	// ExcludedNamespaces are left alone besides the engine's.
	ExcludedNamespaces []string
}

// Write writes the policies and their bindings as YAML.
func Write(w io.Writer, o Options) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	for _, object := range o.Objects() {
		text, err := json.Marshal(object)
		if err != nil {
			return err
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			return err
		}
		legible(&document)
		if err := encoder.Encode(&document); err != nil {
			return err
		}
	}
	return encoder.Close()
}

// legible takes the style of JSON away, and writes expressions as they are,
// line by line and without quotes.
func legible(n *yaml.Node) {
	n.Style = 0
	for i, child := range n.Content {
		legible(child)
		if n.Kind == yaml.MappingNode && i%2 == 1 && strings.HasSuffix(strings.ToLower(n.Content[i-1].Value), "expression") {
			child.Style = yaml.LiteralStyle
		}
	}
}

// Objects returns the policy that grafts, the one that refuses what the engine
// refuses, and two bindings for each, as a mutating policy has no say.
func (o Options) Objects() []any {
	objects := []any{o.mutating(), o.validating()}
	for _, scope := range o.scopes() {
		meta := metav1.ObjectMeta{Name: o.Name + "-" + scope.suffix}
		objects = append(objects,
			&admissionv1.MutatingAdmissionPolicyBinding{
				TypeMeta: typeMeta("MutatingAdmissionPolicyBinding"), ObjectMeta: meta,
				Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: o.Name, MatchResources: scope.match},
			},
			&admissionv1.ValidatingAdmissionPolicyBinding{
				TypeMeta: typeMeta("ValidatingAdmissionPolicyBinding"), ObjectMeta: meta,
				Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
					PolicyName: o.Name, MatchResources: scope.match,
					ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
				},
			})
	}
	return objects
}

func (o Options) mutating() *admissionv1.MutatingAdmissionPolicy {
	policy := &admissionv1.MutatingAdmissionPolicy{TypeMeta: typeMeta("MutatingAdmissionPolicy"), ObjectMeta: metav1.ObjectMeta{Name: o.Name}}
	policy.Spec = admissionv1.MutatingAdmissionPolicySpec{
		MatchConstraints: podCreation(),
		FailurePolicy:    ptr.To(admissionv1.Fail),
		// A second look would graft sidecars that webhooks have added since.
		ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
		Mutations: []admissionv1.Mutation{{
			PatchType: admissionv1.PatchTypeJSONPatch,
			JSONPatch: &admissionv1.JSONPatch{Expression: patchExpression(o.Engine)},
		}},
	}
	for _, v := range append(o.decision(), graftVariables(o.Engine)...) {
		policy.Spec.Variables = append(policy.Spec.Variables, admissionv1.Variable{Name: v.name, Expression: v.expression})
	}
	return policy
}

func (o Options) validating() *admissionv1.ValidatingAdmissionPolicy {
	policy := &admissionv1.ValidatingAdmissionPolicy{TypeMeta: typeMeta("ValidatingAdmissionPolicy"), ObjectMeta: metav1.ObjectMeta{Name: o.Name}}
	policy.Spec = admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: podCreation(),
		FailurePolicy:    ptr.To(admissionv1.Fail),
	}
	for _, v := range o.decision() {
		policy.Spec.Variables = append(policy.Spec.Variables, admissionv1.Variable{Name: v.name, Expression: v.expression})
	}
	for _, c := range o.checks() {
		policy.Spec.Validations = append(policy.Spec.Validations, admissionv1.Validation{
			Expression:        "!variables.considered || (" + c.expression + ")",
			MessageExpression: c.message,
		})
	}
	return policy
}

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: kind}
}

func podCreation() *admissionv1.MatchResources {
	return &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
		RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule: admissionv1.Rule{
				APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}, Scope: ptr.To(admissionv1.NamespacedScope),
			},
		},
	}}}
}

// scope is what a binding is for.
type scope struct {
	suffix string
	match  *admissionv1.MatchResources
}

// scopes are those of the two webhooks for pods, so that a pod goes through one
// binding or none.
func (o Options) scopes() []scope {
	notExcluded := []metav1.LabelSelectorRequirement{
		{
			Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn,
			Values: slices.Concat(o.Engine.ExcludedNamespaces, o.ExcludedNamespaces),
		},
		{Key: api.LabelBypass, Operator: metav1.LabelSelectorOpDoesNotExist},
	}
	said := []metav1.LabelSelectorRequirement{
		{Key: api.LabelInject, Operator: metav1.LabelSelectorOpExists},
		{Key: api.LabelInject, Operator: metav1.LabelSelectorOpNotIn, Values: []string{api.Disabled}},
	}
	silent := []metav1.LabelSelectorRequirement{{Key: api.LabelInject, Operator: metav1.LabelSelectorOpDoesNotExist}}
	return []scope{
		{"namespace", &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: append(said, notExcluded...)},
			ObjectSelector:    &metav1.LabelSelector{MatchExpressions: silent},
		}},
		{"pod", &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchExpressions: notExcluded},
			ObjectSelector:    &metav1.LabelSelector{MatchExpressions: said},
		}},
	}
}
