package reconcile

import (
	"context"
	"errors"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/eso"
)

// newESOSource has apps reconciled when what is known of ESO changes. Its
// informers come and go, so they are listened to, not watched.
func newESOSource(external *eso.ExternalSecrets, ledger *ledger, pods client.Reader) source.Source {
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		external.Listen(eso.Listener{
			Changed: func(e *eso.ExternalSecret) {
				for _, app := range ledger.concerned(e) {
					queue.Add(reconcile.Request{NamespacedName: app})
				}
			},
			All: func() {
				apps, err := appsOf(ctx, pods, "")
				if _, early := errors.AsType[*cache.ErrCacheNotStarted](err); early {
					return // its start lists all pods
				}
				if err != nil {
					log.FromContext(ctx).Error(err, "Cannot reconcile all apps")
				}
				for _, app := range apps {
					queue.Add(app)
				}
			},
		})
		return nil
	})
}

// concerned lists the apps that an ExternalSecret is made for, or that use it.
func (l *ledger) concerned(e *eso.ExternalSecret) []client.ObjectKey {
	var apps []client.ObjectKey
	if app := e.Labels[api.LabelApp]; app != "" {
		apps = append(apps, client.ObjectKey{Namespace: e.Namespace, Name: app})
	}
	apps = append(apps, l.appsUsing(eso.Kind, e.Namespace, e.Name)...)
	return append(apps, l.appsUsing(kindSecret, e.Namespace, e.SecretName())...)
}
