package workload

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Ref is one object of a kind that has pods. All five fields together are its
// identity: a UID alone can be written by whoever may create a pod.
type Ref struct {
	APIVersion string
	Kind       string
	Namespace  string
	Name       string
	UID        types.UID
}

// FromOwner is the object that an owner reference of a namespace's object names.
// It may not exist: the reference was written by the object's author.
func FromOwner(namespace string, owner metav1.OwnerReference) Ref {
	return Ref{APIVersion: owner.APIVersion, Kind: owner.Kind, Namespace: namespace, Name: owner.Name, UID: owner.UID}
}

// String names the object as kubectl does.
func (r Ref) String() string { return r.Kind + "/" + r.Name }

// GroupKind is the kind of the object, without its version.
func (r Ref) GroupKind() schema.GroupKind {
	return schema.FromAPIVersionAndKind(r.APIVersion, r.Kind).GroupKind()
}

// KindOf is what is known of the object's kind.
func (r Ref) KindOf() Kind { return KindOf(r.GroupKind()) }

// Served is the reference in the version that envgraft reads: what its author
// wrote may not be served.
func (r Ref) Served() Ref {
	if k := r.KindOf(); !k.IsZero() {
		r.APIVersion = k.GroupVersion().String()
	}
	return r
}

// ObjectReference is what an Event refers to.
func (r Ref) ObjectReference() *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, UID: r.UID}
}

// Partial is an empty object of the kind, to read the metadata into.
func (r Ref) Partial() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: r.APIVersion, Kind: r.Kind}}
}

// OwnsExternalSecrets says that an ExternalSecret goes with the last such
// object. A Job without a CronJob, a pod of its own and what an operator brought
// along come and go, and would take the Secret with them each time.
func (r Ref) OwnsExternalSecrets() bool { return r.KindOf().Deployed }

// Restartable says that the object's pods can be replaced by a change of it.
func (r Ref) Restartable() bool { return r.KindOf().Restartable }

// Compare orders references of one namespace.
func Compare(a, b Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}
