package reconcile

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// wants is what a workload asks of its ExternalSecret. Two workloads of one
// app whose wants differ are in conflict.
type wants struct {
	Parameter       string
	Secret          string
	RefreshInterval time.Duration
	DeletionPolicy  string
	Store           graft.Store
}

// question asks for the keys of the parameter that is wanted.
func (w wants) question(namespace string, freshAfter time.Time) facts.Question {
	return facts.Question{Namespace: namespace, Parameter: w.Parameter, Secret: w.Secret, FreshAfter: freshAfter}
}

// desired is the ExternalSecret as it ought to be.
type desired struct {
	Namespace string
	Name      string
	App       string
	Wants     wants
	// Owners are sorted, so that equal sets are applied as equal objects.
	Owners []workload
}

// deletionPolicy is what is handed to ESO. Until ESO filled the Secret itself
// it is Retain: with Delete, a parameter that is missing or empty has ESO
// delete whatever Secret has that name, one that a person made by hand included.
func (d desired) deletionPolicy(existing *externalSecret) string {
	if d.Wants.DeletionPolicy != graft.DeletionPolicyDelete || existing == nil {
		return graft.DeletionPolicyRetain
	}
	armed := existing.Spec.Target.DeletionPolicy == graft.DeletionPolicyDelete && existing.target() == d.Wants.Secret
	if armed || existing.secretExists() && existing.Status.Binding.Name == d.Wants.Secret {
		return graft.DeletionPolicyDelete
	}
	return graft.DeletionPolicyRetain
}

func (d desired) labels() map[string]string {
	return map[string]string{labelManagedBy: managedBy, api.LabelApp: d.App}
}

// matches says that applying d would change nothing, so that the steady state
// costs no calls. It looks at what envgraft applies and at nothing else.
func (d desired) matches(existing *externalSecret) bool {
	if existing == nil || !existing.applied.any {
		return false
	}
	for key, value := range d.labels() {
		if existing.Labels[key] != value {
			return false
		}
	}
	spec := existing.Spec
	return sameDuration(spec.RefreshInterval, d.Wants.RefreshInterval) &&
		spec.SecretStoreRef == storeRef{Kind: d.Wants.Store.Kind, Name: d.Wants.Store.Name} &&
		spec.Target == target{Name: d.Wants.Secret, CreationPolicy: creationPolicyOwner, DeletionPolicy: d.deletionPolicy(existing)} &&
		len(spec.DataFrom) == 1 && spec.DataFrom[0].extracts(d.Wants.Parameter) &&
		d.sameOwners(existing)
}

// sameOwners compares with the owner references that envgraft applied, and
// that are still there: other people's are theirs.
func (d desired) sameOwners(existing *externalSecret) bool {
	want := make([]types.UID, len(d.Owners))
	for i, owner := range d.Owners {
		want[i] = owner.UID
	}
	slices.Sort(want)
	if !slices.Equal(want, existing.applied.owners) {
		return false
	}
	return !slices.ContainsFunc(want, func(uid types.UID) bool { return !existing.hasOwner(uid) })
}

func (e *externalSecret) hasOwner(uid types.UID) bool {
	return slices.ContainsFunc(e.OwnerReferences, func(ref metav1.OwnerReference) bool { return ref.UID == uid })
}

func sameDuration(have string, want time.Duration) bool {
	d, err := time.ParseDuration(have)
	return err == nil && d == want
}

// extracts says that the entry extracts the parameter and nothing but: ESO's
// defaults, which the API server fills in, may stand beside the key.
func (d dataFromEntry) extracts(parameter string) bool {
	if d.Extract == nil || len(d.Find)+len(d.Rewrite)+len(d.Source) > 0 {
		return false
	}
	have := *d.Extract
	for _, field := range []struct {
		value    *string
		standard string
	}{
		{&have.ConversionStrategy, "Default"},
		{&have.DecodingStrategy, "None"},
		{&have.MetadataPolicy, "None"},
	} {
		if *field.value == field.standard {
			*field.value = ""
		}
	}
	return have == extract{Key: parameter}
}

// object builds what is applied. With an existing object it carries its UID:
// an apply must not bring back one that is being deleted, or take one that
// somebody else made under the same name in the meantime.
func (d desired) object(version string, existing *externalSecret) *unstructured.Unstructured {
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
		"apiVersion": esoGroup + "/" + version,
		"kind":       kindExternalSecret,
		"metadata":   metadata,
		"spec": map[string]any{
			"refreshInterval": d.Wants.RefreshInterval.String(),
			"secretStoreRef":  map[string]any{"kind": d.Wants.Store.Kind, "name": d.Wants.Store.Name},
			"target": map[string]any{
				"name":           d.Wants.Secret,
				"creationPolicy": creationPolicyOwner,
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
