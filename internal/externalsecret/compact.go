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
		if len(text) <= maxRecord {
			e.Record = ParseRecord(text)
		}
		delete(e.Annotations, api.AnnotationKeys)
	}
	if e.Labels != nil {
		e.App, e.Managed = e.Labels[api.LabelApp], e.Labels[LabelManagedBy] == ManagedBy
		e.Labels = nil
	}
	e.Annotations = api.Own(e.Annotations)
	for key, value := range e.Annotations {
		e.Annotations[key] = cut(value)
	}
	e.boundSpec()
	e.boundStatus()
	if e.Record != nil && e.Answered() {
		e.Record.Previous = nil // the Secret has what is recorded
	}
	e.shareTexts()
	return e, nil
}

// The bounds of what is held of one ExternalSecret: whoever may create one writes
// 1.5 MiB, and every replica holds all of them.
const (
	// maxText is more than any name that is valid has, in bytes.
	maxText = 4096
	// maxRecord is more than a record of an advanced parameter's keys takes: the
	// parameter has 8 KiB.
	maxRecord = 32 << 10
	// maxData is of entries whose keys are held; a Secret holds 1 MiB.
	maxData = 256
	// maxSecretKey is the longest key that a Secret may have.
	maxSecretKey = 253
	// maxConditions is more than ESO writes.
	maxConditions = 8
	// maxMessage is of what ESO says about a condition.
	maxMessage = 1024
)

// cut shortens what is invalid anyhow, as a copy, or the whole would be held.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.Clone(text[:maxText])
}

// boundSpec keeps of entries the keys that they name, if there are not too many,
// and of several sources that there are several: nothing more is read of them.
func (e *ExternalSecret) boundSpec() {
	s := &e.Spec
	for _, text := range []*string{
		&s.RefreshInterval, &s.SecretStoreRef.Kind, &s.SecretStoreRef.Name, &s.Target.Name, &s.Target.CreationPolicy, &s.Target.DeletionPolicy,
	} {
		*text = cut(*text)
	}
	if len(s.Data) > maxData || slices.ContainsFunc(s.Data, func(d Data) bool { return len(d.SecretKey) > maxSecretKey }) {
		s.Data, s.DataCut = []Data{{}}, true
	}
	for i := range s.Data {
		s.Data[i].RemoteRef = RemoteRef{}
	}
	if len(s.DataFrom) > 1 {
		s.DataFrom = []DataFrom{{}, {}}
	}
	for _, from := range s.DataFrom {
		if from.Extract != nil {
			from.Extract.Key = cut(from.Extract.Key)
		}
	}
}

func (e *ExternalSecret) boundStatus() {
	if len(e.Status.Conditions) > maxConditions {
		e.Status.Conditions = slices.Clone(e.Status.Conditions[:maxConditions])
	}
	for i := range e.Status.Conditions {
		c := &e.Status.Conditions[i]
		c.Type, c.Reason = cut(c.Type), cut(c.Reason)
		if len(c.Message) > maxMessage {
			c.Message = strings.Clone(c.Message[:maxMessage])
		}
	}
	e.Status.Binding.Name = cut(e.Status.Binding.Name)
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
