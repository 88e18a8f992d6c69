package explain

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	kubejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
)

// Subject is one pod or template that is explained, from wherever it comes.
type Subject struct {
	Kind, Namespace, Name, From string
	Report                      graft.Report
	// Pod is the pod or template as it is after the graft.
	Pod  []byte
	Keys envresolve.Keys
	// values returns the values of a ConfigMap; nil where none are shown.
	values func(configMap string) map[string]string
	// admitted is what admission did, by container; nil where that is not known.
	admitted map[string]envresolve.Admitted
}

// Explain says where each variable of its containers comes from.
func (s Subject) Explain() (Explanation, error) {
	e := Explanation{
		Kind: s.Kind, Namespace: s.Namespace, Name: s.Name, From: s.From,
		Status: s.Report.Status, Reason: s.Report.Reason, Message: s.Report.Message, Identity: s.Report.Identity,
		Warnings:   append([]graft.Warning{}, s.Report.Warnings...),
		Containers: []Container{},
	}
	if s.Report.Reason == graft.ReasonMalformed {
		return e, nil // there is nothing to read containers from
	}
	containers, err := s.containers()
	if err != nil {
		return Explanation{}, err
	}
	e.Containers = append(e.Containers, containers...)
	return e, nil
}

func (s Subject) containers() ([]Container, error) {
	var pod struct {
		Spec struct {
			InitContainers []corev1.Container `json:"initContainers"`
			Containers     []corev1.Container `json:"containers"`
		} `json:"spec"`
	}
	if err := kubejson.Unmarshal(s.Pod, &pod); err != nil {
		return nil, fmt.Errorf("cannot read the containers: %w", err)
	}
	var containers []Container
	for _, c := range pod.Spec.InitContainers {
		containers = append(containers, s.container(c, true))
	}
	for _, c := range pod.Spec.Containers {
		containers = append(containers, s.container(c, false))
	}
	return containers, nil
}

func (s Subject) container(c corev1.Container, init bool) Container {
	variables, unknown := envresolve.Compute(c, s.Keys)
	admitted := s.admitted[c.Name]
	explained := Container{Name: c.Name, Init: init, Env: []Variable{}}
	if admitted.Container {
		explained.ByAnotherWebhook = envresolve.ByAnotherAdded
	}
	for _, v := range variables {
		explained.Env = append(explained.Env, Variable{
			Name: v.Name, Tier: s.tier(v.From), From: v.From.String(), Shadows: s.shadows(c.Name, v), Value: s.value(c, v),
			ByAnotherWebhook: admitted.ByAnother(v),
		})
	}
	for _, source := range unknown {
		explained.Unknown = append(explained.Unknown, source.String())
	}
	return explained
}

// shadows lists what a variable shadows, the next in line first. A literal that was
// rebound is no longer in the pod, but it is what its author will look for; and
// the key that it is bound to, which envFrom brings too, shadows nothing.
func (s Subject) shadows(container string, v envresolve.Variable) []string {
	shadows := []string{}
	for _, shadowed := range v.Shadows {
		if shadowed != v.From {
			shadows = append(shadows, shadowed.String())
		}
	}
	if !slices.Contains(shadows, envresolve.KindLiteral) && s.rebound(container, v) {
		shadows = append(shadows, envresolve.KindLiteral)
	}
	return shadows
}

// rebound says that a variable was a literal before envgraft bound it to its
// key: the author's, or another webhook's.
func (s Subject) rebound(container string, v envresolve.Variable) bool {
	if a := s.admitted[container]; s.tier(v.From) != graft.TierPod && (a.ByAnother(v) != "" || slices.Contains(a.Bound, v.Name)) {
		return true
	}
	for _, c := range s.Report.Containers {
		if c.Name == container && slices.ContainsFunc(c.Rebound, func(r graft.Rebinding) bool { return r.Name == v.Name }) {
			return true
		}
	}
	return false
}

// value returns what may be shown of a variable: a literal as it is written,
// or a ConfigMap's value. Of a Secret nothing is known here to begin with.
func (s Subject) value(c corev1.Container, v envresolve.Variable) *string {
	if s.values == nil {
		return nil
	}
	switch v.From.Kind {
	case envresolve.KindLiteral:
		var value *string
		for i := range c.Env {
			if c.Env[i].Name == v.Name && c.Env[i].ValueFrom == nil {
				value = &c.Env[i].Value
			}
		}
		return value
	case envresolve.KindConfigMap:
		if value, ok := s.values(v.From.Name)[v.From.Key]; ok {
			return &value
		}
	}
	return nil
}

// tier says whose object a source is. What a pod refers to besides the app's
// own objects is the pod's affair.
func (s Subject) tier(from envresolve.Source) graft.Tier {
	switch {
	case s.Report.Status != graft.StatusInjected:
	case from.Kind == envresolve.KindSecret && from.Name == s.Report.Identity.Secret:
		return graft.TierParameter
	case from.Kind == envresolve.KindConfigMap && from.Name == s.Report.Identity.ConfigMap:
		return graft.TierConfigMap
	}
	return graft.TierPod
}
