package externalsecret

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/workload"
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

// ExternalSecret is the part of an ExternalSecret that envgraft reads, the same in
// v1 and v1beta1. Decoding into it instead of ESO's own types, or
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
	// DataCut says that Data does not name all keys: see Compact.
	DataCut bool `json:"-"`
}

// Data is an entry that fills one key.
type Data struct {
	SecretKey string    `json:"secretKey"`
	RemoteRef RemoteRef `json:"remoteRef"`
}

// RemoteRef names what one key is filled from.
type RemoteRef struct {
	Key      string `json:"key,omitempty"`
	Property string `json:"property,omitempty"`
}

// StoreRef names a store.
type StoreRef struct {
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
}

// KindOrDefault is ESO's default where no kind is named.
func (r StoreRef) KindOrDefault() string {
	if r.Kind == "" {
		return graft.KindSecretStore
	}
	return r.Kind
}

// String writes a store as annotation envgraft.dev/secret-store takes it.
func (r StoreRef) String() string { return r.KindOrDefault() + "/" + r.Name }

// Target is the Secret that ESO fills.
type Target struct {
	Name           string   `json:"name,omitempty"`
	CreationPolicy string   `json:"creationPolicy,omitempty"`
	DeletionPolicy string   `json:"deletionPolicy,omitempty"`
	Template       Template `json:"template,omitempty"`
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

// Ours says that envgraft made this ExternalSecret for the app. Its label alone
// is enough: a backup that was restored has lost its managedFields.
func (e *ExternalSecret) Ours(app string) bool {
	if e.App != "" && e.App != app {
		return false
	}
	return e.MadeByEnvgraft()
}

// MadeByEnvgraft says that envgraft made this ExternalSecret, for whatever app.
func (e *ExternalSecret) MadeByEnvgraft() bool { return e.Applied.Any || e.Managed }

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

// Ready is ESO's condition; nil where ESO has not processed the ExternalSecret.
func (e *ExternalSecret) Ready() *metav1.Condition {
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
	ready := e.Ready()
	return e.Phase() != PhaseProbe && ready != nil && ready.Status == metav1.ConditionTrue &&
		ready.Reason == ReasonSynced && e.Status.Binding.Name == e.SecretName()
}

// Deleting says that the ExternalSecret is being deleted: its Secret goes with it.
func (e *ExternalSecret) Deleting() bool { return e.DeletionTimestamp != nil }

// Refreshed is a time before which every answer of SSM is as old as the Secret.
// ESO cuts the start of its refresh to seconds, so the second that follows is
// the first that is surely later.
func (e *ExternalSecret) Refreshed() time.Time {
	if e.Status.RefreshTime.IsZero() {
		return time.Time{}
	}
	return e.Status.RefreshTime.Add(time.Second)
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

// Abandonable says that nothing but envgraft would ever delete it: it made it
// for the app, and nothing owns it.
func (e *ExternalSecret) Abandonable(app string) bool {
	return e.Ours(app) && e.Applied.Any && len(e.OwnerReferences) == 0 && !e.Deleting()
}

// AppliedOwners are the owners that envgraft gave to the ExternalSecret.
func (e *ExternalSecret) AppliedOwners() []workload.Ref {
	var owners []workload.Ref
	for _, ref := range e.OwnerReferences {
		if slices.Contains(e.Applied.Owners, ref.UID) {
			owners = append(owners, workload.FromOwner(e.Namespace, ref))
		}
	}
	slices.SortFunc(owners, workload.Compare)
	return owners
}
