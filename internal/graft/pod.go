package graft

import (
	"bytes"
	stdjson "encoding/json"

	"k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/identity"
)

// podView holds the fields of a Pod or PodTemplateSpec that the engine reads.
// Decoding no more than these is what lets fields survive that the vendored
// API does not know: they are never decoded, so never written back without.
type podView struct {
	Metadata *struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		InitContainers []containerView `json:"initContainers"`
		Containers     []containerView `json:"containers"`
	} `json:"spec"`
}

type containerView struct {
	Name    string               `json:"name"`
	EnvFrom []stdjson.RawMessage `json:"envFrom"`
	Env     []envView            `json:"env"`
}

// envView is an entry of env with its fields raw: the API server leaves the
// empty string out, and a later API may know more ways to say where a value
// comes from.
type envView map[string]stdjson.RawMessage

// The fields of an env entry that the engine knows.
const (
	fieldName      = "name"
	fieldValue     = "value"
	fieldValueFrom = "valueFrom"
)

// name returns the variable's name, or "" where there is none.
func (e envView) name() string {
	var name string
	if json.Unmarshal(e[fieldName], &name) != nil {
		return ""
	}
	return name
}

// literal says that the value is the pod's own: it is given, or it is the
// empty string because nothing else is there.
func (e envView) literal() bool {
	if given(e[fieldValueFrom]) {
		return false
	}
	if given(e[fieldValue]) {
		return true
	}
	for field, raw := range e {
		if field != fieldName && given(raw) {
			return false
		}
	}
	return true
}

// decodePod reads field names case-sensitively, as the API server does;
// encoding/json would take "EnvFrom" for "envFrom".
func decodePod(raw []byte) (podView, error) {
	var pod podView
	err := json.Unmarshal(raw, &pod)
	return pod, err
}

// identity returns the pod's metadata as identity reads it.
func (p podView) identity() identity.Pod {
	if p.Metadata == nil {
		return identity.Pod{}
	}
	return identity.Pod{Labels: p.Metadata.Labels, Annotations: p.Metadata.Annotations}
}

// given says that a raw field is there and not null.
func given(raw stdjson.RawMessage) bool {
	return len(raw) > 0 && !bytes.Equal(raw, []byte("null"))
}
