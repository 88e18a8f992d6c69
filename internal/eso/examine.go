package eso

import (
	"context"
	"time"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/identity"
)

// Examine tells how the ExternalSecret e fares, which is nil where none was
// made yet. It speaks of the cluster as the informers have it and makes no
// calls: the webhook asks it within an admission.
func (i *Installation) Examine(
	ctx context.Context, namespace string, id identity.Identity, store externalsecret.StoreRef, e *externalsecret.ExternalSecret, now time.Time,
) externalsecret.Health {
	return externalsecret.Surroundings{
		Installed: i.Installed(), Store: store,
		Lacks: func(ref externalsecret.StoreRef) bool { return i.lacks(ctx, namespace, ref) },
	}.Examine(id, e, now)
}
