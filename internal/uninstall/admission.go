package uninstall

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: what makes the API server change pods and workloads goes first, and
// all of it: a webhook configuration of another name, or the policy of the
// standby, would write again what is reverted.

const (
	kindWebhooks = "MutatingWebhookConfiguration"
	kindPolicy   = "MutatingAdmissionPolicy"
)

// deleteAdmission deletes the webhook configuration and the standby's policies.
func (r Remover) deleteAdmission(ctx context.Context) error {
	webhooks, err := r.find(ctx, kindWebhooks, hasOurWebhook)
	if err != nil {
		return err
	}
	policies, err := r.find(ctx, kindPolicy, mentionsUs)
	if err != nil {
		return err
	}
	for _, of := range []struct {
		kind, flag, name string
		found            []string
	}{
		{kindWebhooks, "webhook-configuration", r.Webhooks, webhooks},
		{kindPolicy, "policy", r.Policy, policies},
	} {
		if err := r.deleteNamed(ctx, of.kind, of.flag, of.name, of.found); err != nil {
			return err
		}
	}
	return nil
}

// deleteNamed deletes the object of the name if it is envgraft's, and fails if
// another is left.
func (r Remover) deleteNamed(ctx context.Context, kind, flag, name string, found []string) error {
	if slices.Contains(found, name) {
		if err := r.deleteOne(ctx, kind, name); err != nil {
			return err
		}
	} else if len(found) == 0 {
		return r.say("no %s of envgraft exists", kind)
	}
	others := slices.DeleteFunc(slices.Clone(found), func(other string) bool { return other == name })
	if len(others) > 0 {
		return fmt.Errorf("%s %q is envgraft's, too, and would write again what is reverted: run envgraft remove --%s %s first", kind, others[0], flag, others[0])
	}
	return nil
}

// deleteOne deletes a webhook configuration, or a policy with its bindings and
// with the one that refuses.
func (r Remover) deleteOne(ctx context.Context, kind, name string) error {
	if kind != kindPolicy {
		return r.remove(ctx, kind, name)
	}
	// Bindings first: a binding without its policy is an error of each request.
	for _, kind := range []string{kindPolicy, "ValidatingAdmissionPolicy"} {
		bindings, err := r.find(ctx, kind+"Binding", func(o unstructured.Unstructured) bool {
			policy, _, _ := unstructured.NestedString(o.Object, "spec", "policyName")
			return policy == name
		})
		if err != nil {
			return err
		}
		for _, binding := range bindings {
			if err := r.remove(ctx, kind+"Binding", binding); err != nil {
				return err
			}
		}
		if err := r.remove(ctx, kind, name); err != nil {
			return err
		}
	}
	return nil
}

func (r Remover) remove(ctx context.Context, kind, name string) error {
	if err := r.say("delete %s %s", kind, name); err != nil || !r.Yes {
		return err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(admissionKind(kind))
	object.SetName(name)
	if err := client.IgnoreNotFound(r.Client.Delete(ctx, object)); err != nil {
		return fmt.Errorf("cannot delete %s %q: %w", kind, name, err)
	}
	return nil
}

// find names the objects of a kind that are envgraft's. API servers before
// Kubernetes 1.36 have no mutating policies.
func (r Remover) find(ctx context.Context, kind string, ours func(unstructured.Unstructured) bool) ([]string, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(admissionKind(kind + "List"))
	if err := r.Client.List(ctx, list); meta.IsNoMatchError(err) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("cannot list %ss: %w", kind, err)
	}
	var names []string
	for _, o := range list.Items {
		if ours(o) {
			names = append(names, o.GetName())
		}
	}
	return names, nil
}

func admissionKind(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: kind}
}

// hasOurWebhook knows a webhook configuration by the names of its webhooks.
func hasOurWebhook(o unstructured.Unstructured) bool {
	webhooks, _, _ := unstructured.NestedSlice(o.Object, "webhooks")
	return slices.ContainsFunc(webhooks, func(w any) bool {
		webhook, _ := w.(map[string]any)
		name, _ := webhook["name"].(string)
		return strings.HasSuffix(name, "."+api.Group)
	})
}

// mentionsUs knows a policy that reads or writes envgraft's labels.
func mentionsUs(o unstructured.Unstructured) bool {
	raw, err := o.MarshalJSON()
	return err == nil && strings.Contains(string(raw), api.Group+"/")
}
