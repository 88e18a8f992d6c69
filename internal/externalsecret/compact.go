package externalsecret

import (
	"encoding/json"
	"slices"
	"strings"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
)

// Compact drops what the cache need not hold, and keeps of managedFields
// what envgraft owns.
func Compact(obj any) (any, error) {
	e, ok := obj.(*ExternalSecret)
	if !ok {
		return obj, nil
	}
	for _, entry := range e.ManagedFields {
		if entry.Manager == api.FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply {
			e.Applied = Applied{Any: true, Owners: ownersIn(entry.FieldsV1)}
		}
	}
	e.ManagedFields = nil
	if text, ok := e.Annotations[api.AnnotationKeys]; ok { // an informer may compact an object twice
		e.Record = ParseRecord(text)
		delete(e.Annotations, api.AnnotationKeys)
	}
	if e.Labels != nil {
		e.App, e.Managed = e.Labels[api.LabelApp], e.Labels[LabelManagedBy] == ManagedBy
		e.Labels = nil
	}
	e.Annotations = api.Own(e.Annotations)
	if e.Record != nil && e.Answered() {
		e.Record.Previous = nil // the Secret has what is recorded
	}
	e.shareTexts()
	return e, nil
}

// shareTexts has what most ExternalSecrets say alike, and what one says twice,
// held once.
func (e *ExternalSecret) shareTexts() {
	texts := []*string{
		&e.APIVersion, &e.Kind, &e.Namespace, &e.Spec.RefreshInterval, &e.Spec.SecretStoreRef.Kind, &e.Spec.SecretStoreRef.Name,
		&e.Spec.Target.CreationPolicy, &e.Spec.Target.DeletionPolicy,
	}
	for i := range e.OwnerReferences {
		texts = append(texts, &e.OwnerReferences[i].APIVersion, &e.OwnerReferences[i].Kind)
	}
	for i := range e.Spec.DataFrom {
		if extract := e.Spec.DataFrom[i].Extract; extract != nil {
			if e.Record != nil && e.Record.Parameter == extract.Key {
				e.Record.Parameter = extract.Key
			}
		}
	}
	for i := range e.Status.Conditions {
		c := &e.Status.Conditions[i]
		texts = append(texts, &c.Type, &c.Reason, (*string)(&c.Status))
	}
	for _, text := range texts {
		*text = unique.Make(*text).Value()
	}
	if e.Status.Binding.Name == e.Spec.Target.Name {
		e.Status.Binding.Name = e.Spec.Target.Name
	}
	for i := range e.OwnerReferences {
		if n := slices.Index(e.Applied.Owners, e.OwnerReferences[i].UID); n >= 0 {
			e.Applied.Owners[n] = e.OwnerReferences[i].UID
		}
	}
}

// ownersIn returns the owner references in a set of fields, whose keys look
// like k:{"uid":"…"}.
func ownersIn(fields *metav1.FieldsV1) []types.UID {
	if fields == nil {
		return nil
	}
	var set struct {
		Metadata struct {
			OwnerReferences map[string]json.RawMessage `json:"f:ownerReferences"`
		} `json:"f:metadata"`
	}
	if err := json.Unmarshal(fields.GetRawBytes(), &set); err != nil {
		return nil
	}
	var owners []types.UID
	for element := range set.Metadata.OwnerReferences {
		var key struct {
			UID types.UID `json:"uid"`
		}
		rest, found := strings.CutPrefix(element, "k:")
		if found && json.Unmarshal([]byte(rest), &key) == nil && key.UID != "" {
			owners = append(owners, key.UID)
		}
	}
	slices.Sort(owners)
	return owners
}
