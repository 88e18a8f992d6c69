package eso

import (
	"context"
	"time"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/identity"
)

// Examine returns the health of the ExternalSecret e, which is nil where none was
// created yet. It uses the informers and makes no calls: the webhook calls it during
// an admission.
func (i *Installation) Examine(
	ctx context.Context, namespace string, id identity.Identity, store externalsecret.StoreRef, e *externalsecret.ExternalSecret, now time.Time,
) externalsecret.Health {
	return externalsecret.Surroundings{
		Installed: i.Installed(), Store: store,
		Lacks: func(ref externalsecret.StoreRef) bool { return i.Lacks(ctx, namespace, ref) },
	}.Examine(id, e, now)
}
