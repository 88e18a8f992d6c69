package clusterview

import (
	"context"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/staleness"
)

// ConfigMap is one with its values, which are not secret.
type ConfigMap struct {
	Data map[string]string
	// Changed is when the data last changed; zero where that is not known.
	Changed time.Time
}

// ConfigMap reads one.
func (r *Reader) ConfigMap(ctx context.Context, namespace, name string) Seen[ConfigMap] {
	type configMap struct {
		Metadata metav1.ObjectMeta `json:"metadata"`
		Data     map[string]string `json:"data"`
	}
	o := get[configMap](ctx, r, configMaps(), namespace, name, whole)
	return Seen[ConfigMap]{State: o.State, Cause: o.Cause, Value: ConfigMap{Data: o.Value.Data, Changed: staleness.DataChanged(o.Value.Metadata)}}
}

// Facts are what the engine takes of a ConfigMap.
func (s Seen[T]) unknown() string {
	if s.State == Unasked {
		return "nobody looked"
	}
	return s.Cause
}

// ConfigMapFacts is what the engine goes by.
func ConfigMapFacts(s Seen[ConfigMap]) graft.ConfigMap {
	switch s.State {
	case Found:
		return graft.ConfigMap{State: graft.ConfigMapFound, Keys: slices.Sorted(maps.Keys(s.Value.Data))}
	case NotFound:
		return graft.ConfigMap{State: graft.ConfigMapNotFound}
	case Unasked, Forbidden, Failed:
	}
	return graft.ConfigMap{State: graft.ConfigMapUnknown, Cause: s.unknown()}
}

// Secret is what may be known of a Secret: the names of its keys.
type Secret struct {
	Keys   []string
	Labels map[string]string
	// Changed is when the data last changed; zero where that is not known.
	Changed time.Time
	// Maker is the ExternalSecret that owns it; empty where none does.
	Maker string
}

// dropped takes any JSON value and keeps nothing of it.
type dropped struct{}

// UnmarshalJSON is called with JSON that is already known to be valid.
func (*dropped) UnmarshalJSON([]byte) error { return nil }

// Secret reads the names of a Secret's keys, if the asker may get it. The
// API server sends the values along; they are dropped where they are parsed.
func (r *Reader) Secret(ctx context.Context, namespace, name string) Seen[Secret] {
	type secret struct {
		Metadata metav1.ObjectMeta  `json:"metadata"`
		Data     map[string]dropped `json:"data"`
	}
	o := get[secret](ctx, r, secrets(), namespace, name, whole)
	seen := Seen[Secret]{State: o.State, Cause: o.Cause}
	if o.State != Found {
		return seen
	}
	seen.Value = Secret{Keys: slices.Sorted(maps.Keys(o.Value.Data)), Labels: o.Value.Metadata.Labels, Changed: staleness.DataChanged(o.Value.Metadata)}
	if owner := metav1.GetControllerOfNoCopy(&o.Value.Metadata); owner != nil && owner.Kind == "ExternalSecret" {
		seen.Value.Maker = owner.Name
	}
	return seen
}

// SecretValues reads a Secret with its values, for commands that hand them to a
// program of whoever asks. Nothing else calls it.
func SecretValues(ctx context.Context, r *Reader, namespace, name string) Seen[map[string]string] {
	type secret struct {
		Data map[string][]byte `json:"data"`
	}
	o := get[secret](ctx, r, secrets(), namespace, name, whole)
	seen := Seen[map[string]string]{State: o.State, Cause: o.Cause}
	if o.State == Found {
		seen.Value = make(map[string]string, len(o.Value.Data))
		for key, value := range o.Value.Data {
			seen.Value[key] = string(value)
		}
	}
	return seen
}
