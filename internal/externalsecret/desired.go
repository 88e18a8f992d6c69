package externalsecret

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/workload"
)

// Desired is an ExternalSecret as it should be.
type Desired struct {
	Namespace string
	Name      string
	App       string
	Phase     Phase
	// Revoked says why, in PhaseRevoked.
	Revoked string
	Wants   Wants
	// Record is what is known of the keys; nil where nothing is.
	Record *Record
	// Removed is when the Secret was found removed, in RFC 3339; empty where it never was.
	Removed string
	// Owners are sorted, so that equal sets are applied as equal objects.
	Owners []workload.Ref
}

// target is what ESO is told of the Secret.
func (d Desired) target(existing *ExternalSecret) Target {
	t := Target{Name: d.Wants.Secret, CreationPolicy: CreationPolicyOwner, DeletionPolicy: d.deletionPolicy(existing)}
	switch d.Phase {
	case PhaseProbe:
		t.CreationPolicy, t.DeletionPolicy, t.Template = CreationPolicyMerge, graft.DeletionPolicyRetain, TemplateGuard
	case PhaseRevoked:
		// ESO leaves an orphan alone, also one whose Secret somebody deletes. One
		// that never filled its Secret goes on probing where it is set back.
		t.CreationPolicy, t.DeletionPolicy, t.Template = CreationPolicyMerge, graft.DeletionPolicyRetain, TemplateGuard
		if existing != nil && (existing.WasFilled() || existing.Spec.Target.CreationPolicy == CreationPolicyOrphan) {
			t.CreationPolicy = CreationPolicyOrphan
		}
	case PhaseOwn:
	}
	return t
}

// deletionPolicy is what is handed to ESO once it owns the Secret. Until it
// filled the Secret from this parameter it is Retain: with Delete, one that is
// missing or empty would cost running pods the Secret of the one before.
func (d Desired) deletionPolicy(existing *ExternalSecret) string {
	if d.Wants.DeletionPolicy != graft.DeletionPolicyDelete || existing == nil ||
		existing.SecretName() != d.Wants.Secret || existing.Parameter() != d.Wants.Parameter {
		return graft.DeletionPolicyRetain
	}
	if existing.Spec.Target.DeletionPolicy == graft.DeletionPolicyDelete || existing.Filled() {
		return graft.DeletionPolicyDelete
	}
	return graft.DeletionPolicyRetain
}

func (d Desired) labels() map[string]string {
	return map[string]string{LabelManagedBy: ManagedBy, api.LabelApp: d.App}
}

// Matches says that applying d would change nothing, so that the steady state
// costs no calls. It looks at what envgraft applies and at nothing else.
func (d Desired) Matches(existing *ExternalSecret) bool {
	if existing == nil || !existing.Applied.Any {
		return false
	}
	if existing.App != d.App || !existing.Managed {
		return false
	}
	if existing.Annotations[api.AnnotationRevoked] != d.Revoked || existing.Annotations[api.AnnotationSecretRemoved] != d.Removed {
		return false
	}
	if d.Record != nil && !d.Record.Same(existing.Record) {
		return false
	}
	spec := existing.Spec
	return sameDuration(spec.RefreshInterval, d.Wants.RefreshInterval) &&
		spec.SecretStoreRef == StoreRef{Kind: d.Wants.Store.Kind, Name: d.Wants.Store.Name} &&
		spec.Target == d.target(existing) &&
		spec.ExtractsOnly(d.Wants.Parameter) &&
		d.sameOwners(existing)
}

// sameOwners compares with the owner references that envgraft applied, and
// that are still there. Owner references of others are not compared.
func (d Desired) sameOwners(existing *ExternalSecret) bool {
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

// Object builds what is applied. With an existing object it carries its UID:
// an apply must not bring back one that is being deleted, or take one that
// somebody else made under the same name in the meantime.
func (d Desired) Object(version string, existing *ExternalSecret) (*unstructured.Unstructured, error) {
	annotations, err := d.annotations()
	if err != nil {
		return nil, err
	}
	metadata := map[string]any{
		"namespace":       d.Namespace,
		"name":            d.Name,
		"labels":          generic(d.labels()),
		"annotations":     annotations,
		"ownerReferences": d.ownerReferences(),
	}
	if existing != nil {
		metadata["uid"] = string(existing.UID)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": Group + "/" + version,
		"kind":       Kind,
		"metadata":   metadata,
		"spec":       d.spec(existing),
	}}, nil
}

func (d Desired) annotations() (map[string]any, error) {
	annotations := make(map[string]any)
	if d.Revoked != "" {
		annotations[api.AnnotationRevoked] = d.Revoked
	}
	if d.Removed != "" {
		annotations[api.AnnotationSecretRemoved] = d.Removed
	}
	if d.Record != nil {
		text, err := d.Record.String()
		if err != nil {
			return nil, err
		}
		annotations[api.AnnotationKeys] = text
	}
	return annotations, nil
}

func (d Desired) spec(existing *ExternalSecret) map[string]any {
	t := d.target(existing)
	target := map[string]any{"name": t.Name, "creationPolicy": t.CreationPolicy, "deletionPolicy": t.DeletionPolicy}
	if t.Template == TemplateGuard {
		target["template"] = Guard()
	}
	spec := map[string]any{
		"refreshInterval": d.Wants.RefreshInterval.String(),
		"secretStoreRef":  map[string]any{"kind": d.Wants.Store.Kind, "name": d.Wants.Store.Name},
		"target":          target,
		"dataFrom":        Extracting(d.Wants.Parameter),
	}
	if existing != nil && len(existing.Spec.Data) > 0 {
		spec["data"] = []any{} // a field of somebody else's goes only by being taken
	}
	if d.Phase == PhaseRevoked {
		spec["refreshPolicy"] = RefreshPolicyCreatedOnce
	}
	return spec
}

// ownerReferences are not controllers': several workloads own the object
// alike, and none may be kept from going by it.
func (d Desired) ownerReferences() []any {
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

// Fingerprint stands for all of what is applied.
func Fingerprint(object *unstructured.Unstructured) (uint64, error) {
	raw, err := json.Marshal(object)
	if err != nil {
		return 0, fmt.Errorf("cannot encode ExternalSecret %q: %w", object.GetName(), err)
	}
	h := fnv.New64a()
	h.Write(raw)
	return h.Sum64(), nil
}
