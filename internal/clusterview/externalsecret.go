package clusterview

import (
	"context"
	"slices"

	"github.com/envgraft/envgraft/internal/externalsecret"
)

const esoGroup = "external-secrets.io"

type (
	// ExternalSecret is what webhook and controller read, too.
	ExternalSecret = externalsecret.ExternalSecret
	// StoreRef is the store that one names.
	StoreRef = externalsecret.StoreRef
)

// ExternalSecrets are those of a namespace, or of all.
type ExternalSecrets struct {
	// Version is the API's that is served; empty where ESO is not installed.
	Version string
	Items   []ExternalSecret
}

// ExternalSecrets lists them, by the newest version that is served.
func (r *Reader) ExternalSecrets(ctx context.Context, namespace string) Seen[ExternalSecrets] {
	for _, version := range []string{"v1", "v1beta1"} {
		seen := list[ExternalSecret](ctx, r, externalSecrets(version), namespace, query{accept: whole})
		if seen.State != NotFound {
			return Seen[ExternalSecrets]{State: seen.State, Cause: seen.Cause, Value: ExternalSecrets{Version: version, Items: seen.Value}}
		}
	}
	return Seen[ExternalSecrets]{State: NotFound, Cause: "the cluster serves no ExternalSecrets"}
}

// Filling returns the ExternalSecret that fills a Secret, whatever its name,
// else the one of that name; nil where there is neither. The oldest is the one
// that ESO lets own the Secret.
func (x ExternalSecrets) Filling(namespace, name, secret string) *ExternalSecret {
	var found *ExternalSecret
	for i := range x.Items {
		e := &x.Items[i]
		if e.Namespace != namespace || e.SecretName() != secret {
			continue
		}
		if e.Name == name {
			return e
		}
		if found == nil || e.CreationTimestamp.Before(&found.CreationTimestamp) {
			found = e
		}
	}
	if found != nil {
		return found
	}
	at := slices.IndexFunc(x.Items, func(e ExternalSecret) bool { return e.Namespace == namespace && e.Name == name })
	if at < 0 {
		return nil
	}
	return &x.Items[at]
}

// ESOVersion asks which version of ExternalSecrets the cluster serves. Every
// user may: it is discovery.
func (r Installation) ESOVersion(ctx context.Context) Seen[string] {
	for _, version := range []string{"v1", "v1beta1"} {
		raw, err := answer(r.api.Get().AbsPath("/apis", esoGroup, version).SetHeader("Accept", whole).Do(ctx))
		type resources struct{}
		seen := look[resources](r.Reader, raw, err, Right{Verb: "get", Resource: "/apis/" + esoGroup + "/" + version})
		if seen.State != NotFound {
			return Seen[string]{State: seen.State, Cause: seen.Cause, Value: version}
		}
	}
	return Seen[string]{State: NotFound, Cause: "the cluster serves no ExternalSecrets"}
}
