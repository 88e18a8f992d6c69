package facts

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// Static answers from manifests, for work without a cluster.
type Static struct {
	// Namespaces are by name.
	Namespaces map[string]identity.Namespace
	// ConfigMaps are the sorted keys of their data.
	ConfigMaps map[types.NamespacedName][]string
	// Partial says that the manifests are not all there is: a ConfigMap that is
	// not among them is unknown, and not absent.
	Partial bool
}

// Namespace returns a Namespace of the manifests; for others an error that is
// apierrors.IsNotFound, as the API server's would be.
func (s Static) Namespace(_ context.Context, name string) (identity.Namespace, error) {
	ns, ok := s.Namespaces[name]
	if !ok {
		return identity.Namespace{}, fmt.Errorf("cannot find namespace %q among the manifests: %w",
			name, apierrors.NewNotFound(corev1.Resource("namespaces"), name))
	}
	return ns, nil
}

// Current is Namespace: manifests do not change.
func (s Static) Current(ctx context.Context, name string) (identity.Namespace, error) {
	return s.Namespace(ctx, name)
}

// Prefetch does nothing: all that there is was read.
func (s Static) Prefetch(context.Context, string, string) {}

// ConfigMap returns the keys of a ConfigMap of the manifests.
func (s Static) ConfigMap(_ context.Context, namespace, name string) graft.ConfigMap {
	keys, ok := s.ConfigMaps[types.NamespacedName{Namespace: namespace, Name: name}]
	switch {
	case ok:
		return graft.ConfigMap{State: graft.ConfigMapFound, Keys: keys}
	case s.Partial:
		return graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: "it is not among the manifests"}
	}
	return graft.ConfigMap{State: graft.ConfigMapNotFound}
}
