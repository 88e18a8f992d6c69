package facts

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// Namespaces reads labels and annotations of Namespaces from an informer. An
// informer that has not synced, or that lags behind, knows less than there is:
// what it does not have is asked of the API server, and never taken for absent.
type Namespaces struct {
	informer cache.Informer
	cached   client.Reader
	api      client.Reader
}

// NamespaceCache has a manager's informers hold of each Namespace only what is
// read of it: its own labels and annotations. Those of others may be a quarter
// of a MiB each, and would be copied for each admission.
func NamespaceCache() cache.Options {
	return cache.Options{ByObject: map[client.Object]cache.ByObject{namespaceMetadata(): {Transform: compactNamespace}}}
}

func compactNamespace(object any) (any, error) {
	ns, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return object, nil
	}
	ns.ObjectMeta = metav1.ObjectMeta{
		Name: ns.Name, UID: ns.UID, ResourceVersion: ns.ResourceVersion, DeletionTimestamp: ns.DeletionTimestamp,
		Labels: api.Own(ns.Labels), Annotations: api.Own(ns.Annotations),
	}
	return ns, nil
}

// indexSystem finds Namespaces by their label of it. A selector of labels would
// go through all of them, for each admission.
const indexSystem = "system"

// NewNamespaces adds the informer to a manager's cache, made by NamespaceCache,
// which may not have started yet. The current reader must not be a cache.
func NewNamespaces(ctx context.Context, informers cache.Cache, current client.Reader) (*Namespaces, error) {
	informer, err := informers.GetInformer(ctx, namespaceMetadata(), cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("cannot watch Namespaces: %w", err)
	}
	if err := informers.IndexField(ctx, namespaceMetadata(), indexSystem, systemOf); err != nil {
		return nil, fmt.Errorf("cannot index Namespaces by their system: %w", err)
	}
	return &Namespaces{informer: informer, cached: informers, api: current}, nil
}

// Namespace returns what identity needs of a Namespace. An error is
// apierrors.IsNotFound only where the API server itself said so.
func (n *Namespaces) Namespace(ctx context.Context, name string) (identity.Namespace, error) {
	if n.informer.HasSynced() {
		object := namespaceMetadata()
		if err := n.cached.Get(ctx, client.ObjectKey{Name: name}, object); err == nil {
			ns := namespaceOf(object)
			ns.Claimant = n.claimant(ctx, ns)
			return ns, nil
		}
	}
	return n.Current(ctx, name)
}

func systemOf(ns client.Object) []string {
	if system := ns.GetLabels()[api.LabelSystem]; system != "" {
		return []string{system}
	}
	return nil
}

// claimant returns another Namespace whose label has the system that this one
// takes by its name. It is for a warning, so what is not known is left out.
func (n *Namespaces) claimant(ctx context.Context, ns identity.Namespace) string {
	if ns.Labels[api.LabelSystem] != "" {
		return ""
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NamespaceList"))
	err := n.cached.List(ctx, list, client.MatchingFields{indexSystem: ns.Name}, client.UnsafeDisableDeepCopy)
	if err != nil || len(list.Items) == 0 {
		return ""
	}
	return slices.MinFunc(list.Items, func(a, b metav1.PartialObjectMetadata) int { return cmp.Compare(a.Name, b.Name) }).Name
}

// Current asks the API server, for when what the informer has may be too old.
func (n *Namespaces) Current(ctx context.Context, name string) (identity.Namespace, error) {
	object := namespaceMetadata()
	if err := n.api.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
		return identity.Namespace{}, fmt.Errorf("cannot get namespace %q: %w", name, err)
	}
	return namespaceOf(object), nil
}

func namespaceMetadata() *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return object
}

func namespaceOf(object *metav1.PartialObjectMetadata) identity.Namespace {
	return identity.Namespace{Name: object.Name, Labels: object.Labels, Annotations: object.Annotations}
}
