package facts

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

// Secret reads the Secret that ESO made of a parameter, for clusters where the
// webhook has no AWS identity (facts.keySource: secret).
type Secret struct{ api client.Reader }

// NewSecret returns a source that asks the API server. The reader must not be
// a cache: that would hold the values of every Secret of the cluster.
func NewSecret(api client.Reader) *Secret { return &Secret{api: api} }

// Name is the source's label in metrics.
func (s *Secret) Name() metrics.Source { return metrics.SourceSecret }

// Key is the Secret in the app's namespace.
func (s *Secret) Key(q Question) Key { return Key{Namespace: q.Namespace, Name: q.Secret} }

// Read gets the Secret and keeps its keys. A Secret does not say which version
// of the parameter it was made of.
func (s *Secret) Read(ctx context.Context, key Key) Parameter {
	var secret corev1.Secret
	if err := s.api.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name}, &secret); err != nil {
		return Parameter{Parameter: secretFault(err, key)}
	}
	keys := slices.Sorted(maps.Keys(secret.Data))
	for _, value := range secret.Data {
		clear(value)
	}
	if len(keys) == 0 {
		return Parameter{Parameter: graft.Parameter{State: graft.ParameterEmpty}}
	}
	return Parameter{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: keys}}
}

func secretFault(err error, key Key) graft.Parameter {
	switch {
	case apierrors.IsNotFound(err):
		return graft.Parameter{State: graft.ParameterNotFound, Inferred: true}
	case apierrors.IsForbidden(err):
		return without(graft.ParameterAccessDenied, "facts.keySource is \"secret\", but the webhook may not get Secret \""+
			key.Namespace+"/"+key.Name+"\": the chart grants it where facts.keySource is set in its values")
	case apierrors.IsTooManyRequests(err):
		return without(graft.ParameterThrottled, "the API server limits the webhook's requests")
	}
	return without(graft.ParameterUnreachable, apiServerCause(err))
}
