package admissionevents

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/workload"
)

// top returns the workload that a person deployed, which Events are about: the
// owner, or who made that. nil is for one that is not there, or makes no pods.
func (n *Notices) top(ctx context.Context, namespace string, owner metav1.OwnerReference) (*metav1.PartialObjectMetadata, error) {
	// By all that names it: by its UID alone a pod of another namespace would have
	// Events written about it.
	of := workload.FromOwner(namespace, owner)
	if known, ok := n.tops.Get(of); ok {
		return known, nil
	}
	// A pod's ownerReferences are its author's: a kind that makes no pods is not
	// asked for, or one namespace could have the API server asked for anything.
	kind := of.KindOf()
	if !kind.MakesPods {
		return nil, nil
	}
	top, err := n.read(ctx, namespace, owner)
	if err != nil || top == nil {
		return nil, err
	}
	if controller := metav1.GetControllerOf(top); controller != nil && kind.MadeBy(groupKind(*controller)) {
		if top, err = n.read(ctx, namespace, *controller); err != nil || top == nil {
			return nil, err
		}
	}
	n.tops.Add(of, top)
	return top, nil
}

// read gets an owner's metadata; nil where it is gone, or never was.
func (n *Notices) read(ctx context.Context, namespace string, owner metav1.OwnerReference) (*metav1.PartialObjectMetadata, error) {
	object := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: owner.APIVersion, Kind: owner.Kind}}
	err := n.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: owner.Name}, object)
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot read %s %q of namespace %q: %w", owner.Kind, owner.Name, namespace, err)
	case object.UID != owner.UID:
		return nil, nil
	}
	// What Events refer to, and no more: it is remembered.
	return &metav1.PartialObjectMetadata{
		TypeMeta: object.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: object.Namespace, Name: object.Name, UID: object.UID, OwnerReferences: object.OwnerReferences,
		},
	}, nil
}

func groupKind(owner metav1.OwnerReference) schema.GroupKind {
	return schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind).GroupKind()
}
