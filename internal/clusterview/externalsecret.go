package clusterview

import (
	"context"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

const esoGroup = "external-secrets.io"

// ExternalSecret is the part of one that tells how it fares, the same in all
// versions that ESO has served.
type ExternalSecret struct {
	Metadata metav1.ObjectMeta    `json:"metadata"`
	Spec     ExternalSecretSpec   `json:"spec"`
	Status   ExternalSecretStatus `json:"status"`
}

// ExternalSecretSpec is what it asks for.
type ExternalSecretSpec struct {
	RefreshInterval string   `json:"refreshInterval"`
	SecretStoreRef  StoreRef `json:"secretStoreRef"`
	Target          struct {
		Name           string          `json:"name"`
		CreationPolicy string          `json:"creationPolicy"`
		DeletionPolicy string          `json:"deletionPolicy"`
		Template       json.RawMessage `json:"template"`
	} `json:"target"`
	Data     []ExternalSecretData `json:"data"`
	DataFrom []DataFrom           `json:"dataFrom"`
}

// DataFrom is a source of many keys.
type DataFrom struct {
	Extract *RemoteRef      `json:"extract"`
	Find    json.RawMessage `json:"find"`
	Rewrite json.RawMessage `json:"rewrite"`
	Source  json.RawMessage `json:"sourceRef"`
}

// ExternalSecretData maps one property to one key.
type ExternalSecretData struct {
	SecretKey string    `json:"secretKey"`
	RemoteRef RemoteRef `json:"remoteRef"`
}

// RemoteRef names what is read.
type RemoteRef struct {
	Key                string `json:"key"`
	Property           string `json:"property"`
	Version            string `json:"version"`
	MetadataPolicy     string `json:"metadataPolicy"`
	DecodingStrategy   string `json:"decodingStrategy"`
	ConversionStrategy string `json:"conversionStrategy"`
}

// StoreRef names a store.
type StoreRef struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// String writes a store as "ClusterSecretStore/aws-ssm".
func (s StoreRef) String() string { return s.kind() + "/" + s.Name }

func (s StoreRef) kind() string {
	if s.Kind == "" {
		return "SecretStore"
	}
	return s.Kind
}

// ExternalSecretStatus is ESO's account.
type ExternalSecretStatus struct {
	RefreshTime metav1.Time `json:"refreshTime"`
	Binding     struct {
		Name string `json:"name"`
	} `json:"binding"`
	Conditions []metav1.Condition `json:"conditions"`
}

// Target is the name of the Secret that ESO fills.
func (e ExternalSecret) Target() string {
	if e.Spec.Target.Name != "" {
		return e.Spec.Target.Name
	}
	return e.Metadata.Name
}

// Ours says that envgraft made it.
func (e ExternalSecret) Ours() bool {
	return e.Metadata.Labels["app.kubernetes.io/managed-by"] == "envgraft"
}

// Ready is ESO's condition; nil where ESO has not processed it.
func (e ExternalSecret) Ready() *metav1.Condition {
	for i := range e.Status.Conditions {
		if e.Status.Conditions[i].Type == "Ready" {
			return &e.Status.Conditions[i]
		}
	}
	return nil
}

// Synced says that ESO made the Secret and it is still there, by the rule of
// package externalsecret.
func (e ExternalSecret) Synced() bool {
	m := externalsecret.ExternalSecret{ObjectMeta: e.Metadata}
	m.Spec.Target.Name = e.Spec.Target.Name
	m.Status.Binding.Name, m.Status.Conditions = e.Status.Binding.Name, e.Status.Conditions
	if t := e.Spec.Target.Template; len(t) > 0 && m.Spec.Target.Template.UnmarshalJSON(t) != nil {
		return false
	}
	return m.SecretExists()
}

// Parameter is the parameter that is extracted; empty where it does more, or
// something else.
func (e ExternalSecret) Parameter() string {
	if len(e.Spec.DataFrom) != 1 || len(e.Spec.Data) > 0 || e.Spec.DataFrom[0].Extract == nil {
		return ""
	}
	from := e.Spec.DataFrom[0]
	if len(from.Find)+len(from.Rewrite)+len(from.Source) > 0 || from.Extract.Property != "" {
		return ""
	}
	return from.Extract.Key
}

// Record returns what envgraft noted, if it is about what the ExternalSecret
// reads now.
func (e ExternalSecret) Record() (externalsecret.Record, bool) {
	record := externalsecret.ParseRecord(e.Metadata.Annotations[api.AnnotationKeys])
	if record == nil || record.Parameter != e.Parameter() || record.Store != "" && record.Store != e.Spec.SecretStoreRef.String() {
		return externalsecret.Record{}, false
	}
	return *record, true
}

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
		if e.Metadata.Namespace != namespace || e.Target() != secret {
			continue
		}
		if e.Metadata.Name == name {
			return e
		}
		if found == nil || e.Metadata.CreationTimestamp.Before(&found.Metadata.CreationTimestamp) {
			found = e
		}
	}
	if found != nil {
		return found
	}
	at := slices.IndexFunc(x.Items, func(e ExternalSecret) bool { return e.Metadata.Namespace == namespace && e.Metadata.Name == name })
	if at < 0 {
		return nil
	}
	return &x.Items[at]
}

// ESOVersion asks which version of ExternalSecrets the cluster serves. Every
// user may: it is discovery.
func (r *Reader) ESOVersion(ctx context.Context) Seen[string] {
	for _, version := range []string{"v1", "v1beta1"} {
		raw, err := answer(r.api.Get().AbsPath("/apis", esoGroup, version).SetHeader("Accept", whole).Do(ctx))
		type resources struct{}
		seen := look[resources](r, raw, err, Right{Verb: "get", Resource: "/apis/" + esoGroup + "/" + version})
		if seen.State != NotFound {
			return Seen[string]{State: seen.State, Cause: seen.Cause, Value: version}
		}
	}
	return Seen[string]{State: NotFound, Cause: "the cluster serves no ExternalSecrets"}
}
