package identity

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/api"
)

// Origin says which object's label decided that a pod is injected or not.
type Origin string

// The origins, nearest first.
const (
	OriginPod       Origin = "pod"
	OriginNamespace Origin = "namespace"
	OriginNone      Origin = "none"
)

// OptIn is what the labels say about a pod.
type OptIn struct {
	Enabled bool
	Origin  Origin
}

// RefusedByNamespace says that nobody but the Namespace, by its word or its
// silence, keeps the pod from being injected.
func (o OptIn) RefusedByNamespace() bool { return !o.Enabled && o.Origin != OriginPod }

// ResolveOptIn decides by the nearest label: the pod's, which a workload's
// label has been copied to, else its Namespace's.
func ResolveOptIn(ns Namespace, podLabels map[string]string) (OptIn, error) {
	origin := OriginPod
	value, ok := podLabels[api.LabelInject]
	if !ok {
		origin = OriginNamespace
		if value, ok = ns.Labels[api.LabelInject]; !ok {
			return OptIn{Origin: OriginNone}, nil
		}
	}
	switch value {
	case api.Enabled, api.Disabled:
		return OptIn{Enabled: value == api.Enabled, Origin: origin}, nil
	}
	object := "the pod"
	if origin == OriginNamespace {
		object = fmt.Sprintf("namespace %q", ns.Name)
	}
	_, err := ParseSwitch("label "+api.LabelInject+" of "+object, value)
	return OptIn{Origin: origin}, err
}

// ParseSwitch reads "enabled" or "disabled"; what names the key in the error.
func ParseSwitch(what, value string) (bool, error) {
	switch value {
	case api.Enabled:
		return true, nil
	case api.Disabled:
		return false, nil
	}
	return false, fmt.Errorf("%s is %q: use %q or %q", what, value, api.Enabled, api.Disabled)
}
