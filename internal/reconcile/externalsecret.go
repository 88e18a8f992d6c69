package reconcile

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/api"
)

// ESO's API, see https://external-secrets.io/latest/api/externalsecret/.
const (
	esoGroup           = "external-secrets.io"
	kindExternalSecret = "ExternalSecret"

	creationPolicyOwner = "Owner"
	conditionReady      = "Ready"
	reasonSecretSynced  = "SecretSynced"
)

// The labels by which the controller knows an ExternalSecret of its own.
const (
	labelManagedBy = "app.kubernetes.io/managed-by"
	managedBy      = "envgraft"
)

// externalSecret is the part of an ExternalSecret that the controller reads,
// the same in v1 and v1beta1. Decoding into it instead of ESO's own types, or
// into maps, keeps 20,000 of them small and ESO's dependencies out.
type externalSecret struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   externalSecretSpec   `json:"spec"`
	Status externalSecretStatus `json:"status"`

	// applied is what the field manager envgraft owns: see compact.
	applied applied
}

type externalSecretSpec struct {
	RefreshInterval string          `json:"refreshInterval,omitempty"`
	SecretStoreRef  storeRef        `json:"secretStoreRef"`
	Target          target          `json:"target"`
	DataFrom        []dataFromEntry `json:"dataFrom,omitempty"`
}

type storeRef struct {
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
}

type target struct {
	Name           string `json:"name,omitempty"`
	CreationPolicy string `json:"creationPolicy,omitempty"`
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
}

// dataFromEntry is read in full: an entry that a person extended must not look
// like the one that was applied.
type dataFromEntry struct {
	Extract *extract        `json:"extract,omitempty"`
	Find    json.RawMessage `json:"find,omitempty"`
	Rewrite json.RawMessage `json:"rewrite,omitempty"`
	Source  json.RawMessage `json:"sourceRef,omitempty"`
}

type extract struct {
	Key                string `json:"key,omitempty"`
	Property           string `json:"property,omitempty"`
	Version            string `json:"version,omitempty"`
	ConversionStrategy string `json:"conversionStrategy,omitempty"`
	DecodingStrategy   string `json:"decodingStrategy,omitempty"`
	MetadataPolicy     string `json:"metadataPolicy,omitempty"`
}

type externalSecretStatus struct {
	RefreshTime metav1.Time        `json:"refreshTime"`
	Binding     binding            `json:"binding"`
	Conditions  []metav1.Condition `json:"conditions,omitempty"`
}

type binding struct {
	Name string `json:"name,omitempty"`
}

// applied is what managedFields say of the field manager envgraft.
type applied struct {
	any    bool
	owners []types.UID
}

type externalSecretList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []externalSecret `json:"items"`
}

// scheme knows the ExternalSecrets of one version.
func scheme(version schema.GroupVersion) *runtime.Scheme {
	s := runtime.NewScheme()
	s.AddKnownTypeWithName(version.WithKind(kindExternalSecret), &externalSecret{})
	s.AddKnownTypeWithName(version.WithKind(kindExternalSecret+"List"), &externalSecretList{})
	metav1.AddToGroupVersion(s, version)
	return s
}

// ours says that envgraft made this ExternalSecret for the app. Its label alone
// is enough: a backup that was restored has lost its managedFields.
func (e *externalSecret) ours(app string) bool {
	if owner, ok := e.Labels[api.LabelApp]; ok && owner != app {
		return false
	}
	return e.applied.any || e.Labels[labelManagedBy] == managedBy
}

// target is the name of the Secret that ESO fills.
func (e *externalSecret) target() string {
	if e.Spec.Target.Name != "" {
		return e.Spec.Target.Name
	}
	return e.Name
}

func (e *externalSecret) ready() *metav1.Condition {
	for i := range e.Status.Conditions {
		if e.Status.Conditions[i].Type == conditionReady {
			return &e.Status.Conditions[i]
		}
	}
	return nil
}

// secretExists says that ESO made the Secret and it is still there. Ready alone
// does not: of a parameter "{}" ESO makes no Secret and is Ready all the same,
// but then it has bound none, or its reason is SecretDeleted.
func (e *externalSecret) secretExists() bool {
	ready := e.ready()
	return ready != nil && ready.Status == metav1.ConditionTrue &&
		ready.Reason == reasonSecretSynced && e.Status.Binding.Name == e.target()
}

// refreshed is a time before which every answer of SSM is as old as the Secret.
// ESO cuts the start of its refresh to seconds, so the second that follows is
// the first that is surely later.
func (e *externalSecret) refreshed() time.Time {
	if e.Status.RefreshTime.IsZero() {
		return time.Time{}
	}
	return e.Status.RefreshTime.Add(time.Second)
}

// compact drops what the cache need not hold, and keeps of managedFields
// what envgraft owns.
func compact(obj any) (any, error) {
	e, ok := obj.(*externalSecret)
	if !ok {
		return obj, nil
	}
	for _, entry := range e.ManagedFields {
		if entry.Manager == api.FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply {
			e.applied = applied{any: true, owners: ownersIn(entry.FieldsV1)}
		}
	}
	e.ManagedFields = nil
	e.Annotations = pick(e.Annotations, func(key string) bool { return strings.HasPrefix(key, api.Group+"/") })
	e.Labels = pick(e.Labels, func(key string) bool { return key == api.LabelApp || key == labelManagedBy })
	return e, nil
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

// pick returns the entries whose key is wanted; nil where none is.
func pick(from map[string]string, wanted func(string) bool) map[string]string {
	var picked map[string]string
	for key, value := range from {
		if !wanted(key) {
			continue
		}
		if picked == nil {
			picked = make(map[string]string, 4)
		}
		picked[key] = value
	}
	return picked
}

// DeepCopyObject is what runtime.Object asks for.
func (e *externalSecret) DeepCopyObject() runtime.Object {
	c := *e
	c.ObjectMeta = *e.ObjectMeta.DeepCopy()
	c.Spec.DataFrom = slices.Clone(e.Spec.DataFrom) // entries are never written to
	c.Status.RefreshTime = *e.Status.RefreshTime.DeepCopy()
	c.Status.Conditions = slices.Clone(e.Status.Conditions)
	c.applied.owners = slices.Clone(e.applied.owners)
	return &c
}

// DeepCopyObject is what runtime.Object asks for.
func (l *externalSecretList) DeepCopyObject() runtime.Object {
	c := *l
	c.ListMeta = *l.ListMeta.DeepCopy()
	c.Items = make([]externalSecret, len(l.Items))
	for i := range l.Items {
		if item, ok := l.Items[i].DeepCopyObject().(*externalSecret); ok {
			c.Items[i] = *item
		}
	}
	return &c
}
