package eso

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
)

// ESO's API, see https://external-secrets.io/latest/api/externalsecret/.
const (
	Group = "external-secrets.io"
	Kind  = "ExternalSecret"

	ConditionReady = "Ready"
	ReasonSynced   = "SecretSynced"
)

// The labels by which the controller knows an ExternalSecret of its own.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	ManagedBy      = "envgraft"
)

// ExternalSecret is the part of an ExternalSecret that the controller reads,
// the same in v1 and v1beta1. Decoding into it instead of ESO's own types, or
// into maps, keeps 20,000 of them small and ESO's dependencies out.
type ExternalSecret struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   Spec   `json:"spec"`
	Status Status `json:"status"`

	// What Compact reads from its labels, of which it holds none: the app that it
	// was made for, and whether it says that envgraft manages it.
	App     string `json:"-"`
	Managed bool   `json:"-"`
	// Applied is what the field manager envgraft owns, and Record what is known
	// of the keys: see Compact.
	Applied Applied `json:"-"`
	Record  *Record `json:"-"`
}

// Spec is the part of the spec that is read.
type Spec struct {
	RefreshInterval string     `json:"refreshInterval,omitempty"`
	SecretStoreRef  StoreRef   `json:"secretStoreRef"`
	Target          Target     `json:"target"`
	DataFrom        []DataFrom `json:"dataFrom,omitempty"`
	Data            []Data     `json:"data,omitempty"`
}

// Data is an entry that fills one key.
type Data struct {
	SecretKey string `json:"secretKey"`
}

// StoreRef names a store.
type StoreRef struct {
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
}

// Target is the Secret that ESO fills.
type Target struct {
	Name           string   `json:"name,omitempty"`
	CreationPolicy string   `json:"creationPolicy,omitempty"`
	DeletionPolicy string   `json:"deletionPolicy,omitempty"`
	Template       Template `json:"template,omitempty"`
}

// DataFrom is read in full: an entry that a person extended must not look
// like the one that was applied.
type DataFrom struct {
	Extract *Extract `json:"extract,omitempty"`
	Find    present  `json:"find,omitempty"`
	Rewrite present  `json:"rewrite,omitempty"`
	Source  present  `json:"sourceRef,omitempty"`
}

// present says that a field is there, whatever it says.
type present bool

// UnmarshalJSON implements json.Unmarshaler.
func (p *present) UnmarshalJSON([]byte) error {
	*p = true
	return nil
}

// Extract reads all keys of one parameter.
type Extract struct {
	// ExtractOptions is nil in nearly all that are held.
	*ExtractOptions

	Key string `json:"key,omitempty"`
}

// ExtractOptions say how.
type ExtractOptions struct {
	Property           string `json:"property,omitempty"`
	Version            string `json:"version,omitempty"`
	ConversionStrategy string `json:"conversionStrategy,omitempty"`
	DecodingStrategy   string `json:"decodingStrategy,omitempty"`
	MetadataPolicy     string `json:"metadataPolicy,omitempty"`
}

// standard says that they say nothing but ESO's defaults, which the API server
// fills in.
func (o *ExtractOptions) standard() bool {
	return o == nil || o.Property == "" && o.Version == "" && cmp.Or(o.ConversionStrategy, "Default") == "Default" &&
		cmp.Or(o.DecodingStrategy, "None") == "None" && cmp.Or(o.MetadataPolicy, "None") == "None"
}

// Status is the part of the status that is read.
type Status struct {
	SyncedResourceVersion string `json:"syncedResourceVersion,omitempty"`

	RefreshTime metav1.Time        `json:"refreshTime"`
	Binding     Binding            `json:"binding"`
	Conditions  []metav1.Condition `json:"conditions,omitempty"`
}

// Binding names the Secret that ESO filled.
type Binding struct {
	Name string `json:"name,omitempty"`
}

// Applied is what managedFields say of the field manager envgraft.
type Applied struct {
	Any    bool
	Owners []types.UID
}

// ExternalSecretList is what the API server lists.
type ExternalSecretList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []ExternalSecret `json:"items"`
}

// scheme knows the ExternalSecrets of one version.
func scheme(version schema.GroupVersion) *runtime.Scheme {
	s := runtime.NewScheme()
	s.AddKnownTypeWithName(version.WithKind(Kind), &ExternalSecret{})
	s.AddKnownTypeWithName(version.WithKind(Kind+"List"), &ExternalSecretList{})
	addStores(s, version)
	metav1.AddToGroupVersion(s, version)
	return s
}

// Ours says that envgraft made this ExternalSecret for the app. Its label alone
// is enough: a backup that was restored has lost its managedFields.
func (e *ExternalSecret) Ours(app string) bool {
	if e.App != "" && e.App != app {
		return false
	}
	return e.Applied.Any || e.Managed
}

// SecretName is the name of the Secret that ESO fills.
func (e *ExternalSecret) SecretName() string {
	if e.Spec.Target.Name != "" {
		return e.Spec.Target.Name
	}
	return e.Name
}

// HasOwner says that an object is among the owners.
func (e *ExternalSecret) HasOwner(uid types.UID) bool {
	return slices.ContainsFunc(e.OwnerReferences, func(ref metav1.OwnerReference) bool { return ref.UID == uid })
}

func (e *ExternalSecret) ready() *metav1.Condition {
	for i := range e.Status.Conditions {
		if e.Status.Conditions[i].Type == ConditionReady {
			return &e.Status.Conditions[i]
		}
	}
	return nil
}

// SecretExists says that ESO made the Secret and it is still there. Ready alone
// does not: of a parameter "{}" ESO makes no Secret and is Ready all the same,
// but then it has bound none, or its reason is SecretDeleted.
func (e *ExternalSecret) SecretExists() bool {
	ready := e.ready()
	return e.Phase() != PhaseProbe && ready != nil && ready.Status == metav1.ConditionTrue &&
		ready.Reason == ReasonSynced && e.Status.Binding.Name == e.SecretName()
}

// refreshed is a time before which every answer of SSM is as old as the Secret.
// ESO cuts the start of its refresh to seconds, so the second that follows is
// the first that is surely later.
func (e *ExternalSecret) refreshed() time.Time {
	if e.Status.RefreshTime.IsZero() {
		return time.Time{}
	}
	return e.Status.RefreshTime.Add(time.Second)
}

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
	if e.Applied.Any {
		e.Spec.Data = nil // read of users' own alone
	}
	if e.Labels != nil {
		e.App, e.Managed = e.Labels[api.LabelApp], e.Labels[LabelManagedBy] == ManagedBy
		e.Labels = nil
	}
	e.Annotations = api.Own(e.Annotations)
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
			if extract.standard() {
				extract.ExtractOptions = nil
			}
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

// Extracts says that the entry extracts the parameter and nothing but: ESO's
// defaults may stand beside the key.
func (d DataFrom) Extracts(parameter string) bool {
	return d.Extract != nil && !bool(d.Find || d.Rewrite || d.Source) && d.Extract.Key == parameter && d.Extract.standard()
}

// DeepCopyObject is what runtime.Object asks for.
func (e *ExternalSecret) DeepCopyObject() runtime.Object {
	c := *e
	c.ObjectMeta = *e.ObjectMeta.DeepCopy()
	c.Spec.DataFrom = slices.Clone(e.Spec.DataFrom) // entries are never written to
	c.Status.RefreshTime = *e.Status.RefreshTime.DeepCopy()
	c.Status.Conditions = slices.Clone(e.Status.Conditions)
	c.Spec.Data = slices.Clone(e.Spec.Data)
	c.Applied.Owners = slices.Clone(e.Applied.Owners) // and a Record is never written to
	return &c
}

// DeepCopyObject is what runtime.Object asks for.
func (l *ExternalSecretList) DeepCopyObject() runtime.Object {
	c := *l
	c.ListMeta = *l.ListMeta.DeepCopy()
	c.Items = make([]ExternalSecret, len(l.Items))
	for i := range l.Items {
		if item, ok := l.Items[i].DeepCopyObject().(*ExternalSecret); ok {
			c.Items[i] = *item
		}
	}
	return &c
}
