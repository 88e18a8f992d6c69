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
	for _, at := range []struct {
		origin Origin
		object string
		labels map[string]string
	}{
		{OriginPod, "the pod", podLabels},
		{OriginNamespace, fmt.Sprintf("namespace %q", ns.Name), ns.Labels},
	} {
		value, ok := at.labels[api.LabelInject]
		if !ok {
			continue
		}
		enabled, err := ParseSwitch("label "+api.LabelInject+" of "+at.object, value)
		if err != nil {
			return OptIn{Origin: at.origin}, err
		}
		return OptIn{Enabled: enabled, Origin: at.origin}, nil
	}
	return OptIn{Origin: OriginNone}, nil
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
