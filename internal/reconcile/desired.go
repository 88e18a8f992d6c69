package reconcile

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/graft"
)

// desired is the ExternalSecret as it ought to be.
type desired struct {
	Namespace string
	Name      string
	App       string
	Wants     eso.Wants
	// Owners are sorted, so that equal sets are applied as equal objects.
	Owners []workload
}

// deletionPolicy is what is handed to ESO. Until ESO filled the Secret itself
// it is Retain: with Delete, a parameter that is missing or empty has ESO
// delete whatever Secret has that name, one that a person made by hand included.
func (d desired) deletionPolicy(existing *eso.ExternalSecret) string {
	if d.Wants.DeletionPolicy != graft.DeletionPolicyDelete || existing == nil {
		return graft.DeletionPolicyRetain
	}
	armed := existing.Spec.Target.DeletionPolicy == graft.DeletionPolicyDelete && existing.SecretName() == d.Wants.Secret
	if armed || existing.SecretExists() && existing.Status.Binding.Name == d.Wants.Secret {
		return graft.DeletionPolicyDelete
	}
	return graft.DeletionPolicyRetain
}

func (d desired) labels() map[string]string {
	return map[string]string{eso.LabelManagedBy: eso.ManagedBy, api.LabelApp: d.App}
}

// matches says that applying d would change nothing, so that the steady state
// costs no calls. It looks at what envgraft applies and at nothing else.
func (d desired) matches(existing *eso.ExternalSecret) bool {
	if existing == nil || !existing.Applied.Any {
		return false
	}
	for key, value := range d.labels() {
		if existing.Labels[key] != value {
			return false
		}
	}
	spec := existing.Spec
	return sameDuration(spec.RefreshInterval, d.Wants.RefreshInterval) &&
		spec.SecretStoreRef == eso.StoreRef{Kind: d.Wants.Store.Kind, Name: d.Wants.Store.Name} &&
		spec.Target == eso.Target{Name: d.Wants.Secret, CreationPolicy: eso.CreationPolicyOwner, DeletionPolicy: d.deletionPolicy(existing)} &&
		len(spec.DataFrom) == 1 && spec.DataFrom[0].Extracts(d.Wants.Parameter) &&
		d.sameOwners(existing)
}

// sameOwners compares with the owner references that envgraft applied, and
// that are still there: other people's are theirs.
func (d desired) sameOwners(existing *eso.ExternalSecret) bool {
	want := make([]types.UID, len(d.Owners))
	for i, owner := range d.Owners {
		want[i] = owner.UID
	}
	slices.Sort(want)
	if !slices.Equal(want, existing.Applied.Owners) {
		return false
	}
	return !slices.ContainsFunc(want, func(uid types.UID) bool { return !existing.HasOwner(uid) })
}

func sameDuration(have string, want time.Duration) bool {
	d, err := time.ParseDuration(have)
	return err == nil && d == want
}

// object builds what is applied. With an existing object it carries its UID:
// an apply must not bring back one that is being deleted, or take one that
// somebody else made under the same name in the meantime.
func (d desired) object(version string, existing *eso.ExternalSecret) *unstructured.Unstructured {
	metadata := map[string]any{
		"namespace":       d.Namespace,
		"name":            d.Name,
		"labels":          generic(d.labels()),
		"ownerReferences": d.ownerReferences(),
	}
	if existing != nil {
		metadata["uid"] = string(existing.UID)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": eso.Group + "/" + version,
		"kind":       eso.Kind,
		"metadata":   metadata,
		"spec": map[string]any{
			"refreshInterval": d.Wants.RefreshInterval.String(),
			"secretStoreRef":  map[string]any{"kind": d.Wants.Store.Kind, "name": d.Wants.Store.Name},
			"target": map[string]any{
				"name":           d.Wants.Secret,
				"creationPolicy": eso.CreationPolicyOwner,
				"deletionPolicy": d.deletionPolicy(existing),
			},
			"dataFrom": []any{
				map[string]any{"extract": map[string]any{"key": d.Wants.Parameter}},
			},
		},
	}}
}

// ownerReferences are not controllers': several workloads own the object
// alike, and none may be kept from going by it.
func (d desired) ownerReferences() []any {
	references := make([]any, len(d.Owners))
	for i, owner := range d.Owners {
		references[i] = map[string]any{
			"apiVersion":         owner.APIVersion,
			"kind":               owner.Kind,
			"name":               owner.Name,
			"uid":                string(owner.UID),
			"controller":         false,
			"blockOwnerDeletion": false,
		}
	}
	return references
}

func generic(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for key, value := range maps.All(m) {
		out[key] = value
	}
	return out
}
