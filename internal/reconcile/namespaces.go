package reconcile

import (
	"context"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// newNamespaceSource has the apps of a Namespace reconciled when its labels or
// annotations change: they decide opt-in, system, environment and tenancy.
func newNamespaceSource(namespaces cache.Cache, pods client.Reader) source.Source {
	type namespace = *metav1.PartialObjectMetadata
	return source.Kind(namespaces, partialNamespace(), handler.TypedFuncs[namespace, reconcile.Request]{
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[namespace], queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			if maps.Equal(e.ObjectOld.Labels, e.ObjectNew.Labels) && maps.Equal(e.ObjectOld.Annotations, e.ObjectNew.Annotations) {
				return
			}
			apps, err := appsOf(ctx, pods, e.ObjectNew.Name)
			if err != nil {
				log.FromContext(ctx).Error(err, "Cannot reconcile the apps of a changed namespace", "namespace", e.ObjectNew.Name)
			}
			for _, app := range apps {
				queue.Add(app)
			}
		},
	})
}
