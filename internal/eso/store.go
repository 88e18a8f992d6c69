package eso

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// store is the part of a store that says whose parameters it reads.
type store struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec storeSpec `json:"spec"`
}

type storeSpec struct {
	Conditions externalsecret.StoreConditions `json:"conditions,omitempty"`
	Provider   facts.StoreProvider            `json:"provider"`
}

// foundStore is what counts of a store.
type foundStore struct {
	storeSpec

	resourceVersion string
}

func (s *store) found() foundStore { return foundStore{s.Spec, s.ResourceVersion} }

// A scheme wants a type for each kind.
type (
	clusterSecretStore     struct{ store }
	secretStore            struct{ store }
	clusterSecretStoreList struct{ storeList[clusterSecretStore] }
	secretStoreList        struct{ storeList[secretStore] }
)

type storeList[T any] struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []T `json:"items"`
}

// DeepCopyObject is what runtime.Object asks for. A provider is never written to.
func (s *clusterSecretStore) DeepCopyObject() runtime.Object {
	c := *s
	c.ObjectMeta = *s.ObjectMeta.DeepCopy()
	return &c
}

// DeepCopyObject is what runtime.Object asks for. A provider is never written to.
func (s *secretStore) DeepCopyObject() runtime.Object {
	c := *s
	c.ObjectMeta = *s.ObjectMeta.DeepCopy()
	return &c
}

// DeepCopyObject is what runtime.Object asks for.
func (l *clusterSecretStoreList) DeepCopyObject() runtime.Object {
	return &clusterSecretStoreList{l.storeList.copied()}
}

// DeepCopyObject is what runtime.Object asks for.
func (l *secretStoreList) DeepCopyObject() runtime.Object {
	return &secretStoreList{l.storeList.copied()}
}

func (l storeList[T]) copied() storeList[T] {
	l.ListMeta = *l.ListMeta.DeepCopy()
	l.Items = append([]T(nil), l.Items...)
	return l
}

func addStores(s *runtime.Scheme, version schema.GroupVersion) {
	s.AddKnownTypeWithName(version.WithKind(graft.KindClusterSecretStore), &clusterSecretStore{})
	s.AddKnownTypeWithName(version.WithKind(graft.KindClusterSecretStore+"List"), &clusterSecretStoreList{})
	s.AddKnownTypeWithName(version.WithKind(graft.KindSecretStore), &secretStore{})
	s.AddKnownTypeWithName(version.WithKind(graft.KindSecretStore+"List"), &secretStoreList{})
}

// storeOf is an empty object of a kind of stores.
func storeOf(kind string) interface {
	client.Object
	found() foundStore
} {
	if kind == graft.KindClusterSecretStore {
		return &clusterSecretStore{}
	}
	return &secretStore{}
}

// compactStore drops what says nothing of the provider.
func compactStore(obj any) (any, error) {
	if object, ok := obj.(client.Object); ok {
		object.SetManagedFields(nil)
		object.SetAnnotations(nil)
		object.SetLabels(nil)
	}
	return obj, nil
}

// store returns what counts of a store; found is false where it is not there, and
// sure where that is known at all.
func (i *Installation) store(ctx context.Context, namespace string, ref externalsecret.StoreRef) (s foundStore, found, sure bool) {
	kind := ref.KindOrDefault()
	if !i.stores[kind] || ref.Name == "" {
		return foundStore{}, false, false
	}
	key := types.NamespacedName{Name: ref.Name}
	if kind == graft.KindSecretStore {
		key.Namespace = namespace
	}
	object := storeOf(kind)
	err := i.cache.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return foundStore{}, false, true
	}
	return object.found(), err == nil, err == nil
}
