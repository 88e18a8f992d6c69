// Package localenv computes the environment of one container with its values, so
// that a program can be run outside the cluster as the container would run it. It
// injects the pod template by the webhook's own engine and resolves the result by
// the kubelet's rules.
package localenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	kubejson "k8s.io/apimachinery/pkg/util/json"

	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/patch"
)

// Objects reads the Secrets and ConfigMaps that containers refer to. Found is
// false where there is no such object.
type Objects interface {
	ConfigMap(ctx context.Context, name string) (data map[string]string, found bool, err error)
	Secret(ctx context.Context, name string) (data map[string]string, found bool, err error)
}

// Pod is a pod or a pod template, and what its environment is made of.
type Pod struct {
	Namespace string
	// Raw is the pod or template in JSON, before it is injected.
	Raw []byte
	// Subject is what the engine decided on it.
	Subject *graft.Subject
	// Injected says that Raw is a pod that was injected when it was created.
	Injected bool
	// NeverSeen is that of graft.Facts.
	NeverSeen  bool
	Parameters facts.ValueReader
	Objects    Objects
}

// Environment is that of one container.
type Environment struct {
	Container string
	Variables map[string]string
	// Notes are for people: what the container has and this environment cannot have.
	Notes []string
}

// Environment computes the environment of a container; empty is the default one,
// as kubectl exec chooses it. Set are values of variables that the template, the
// Secret or the ConfigMap does not give, or that shall be others. An error joins
// all that is missing. Values are in no error and in no note.
func (p Pod) Environment(ctx context.Context, container string, set map[string]string) (*Environment, error) {
	objects := &cached{pod: p, ctx: ctx, data: map[string]object{}}
	raw, notes, err := p.inject(ctx, objects)
	if err != nil {
		return nil, err
	}
	var pod corev1.PodTemplateSpec
	if err := kubejson.Unmarshal(raw, &pod); err != nil {
		return nil, fmt.Errorf("cannot read the containers: %w", err)
	}
	c, err := choose(pod, container)
	if err != nil {
		return nil, err
	}
	c.Env = withSet(c.Env, set)
	variables, problems := envresolve.Values(c, envresolve.World{
		Data:  objects.get,
		Other: func(e corev1.EnvVar) (string, error) { return p.other(pod, e) },
	})
	if len(objects.failed) > 0 {
		return nil, errors.Join(objects.failed...) // problems may come from these
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return &Environment{Container: c.Name, Variables: variables, Notes: append(notes, mounts(c)...)}, nil
}

// inject does what the webhook does, with the keys as they are now.
func (p Pod) inject(ctx context.Context, objects *cached) (raw []byte, notes []string, err error) {
	switch {
	case p.Injected:
		return p.Raw, nil, nil
	case p.Subject.Status == graft.StatusDenied:
		return nil, nil, fmt.Errorf("the webhook denies this pod: %s", p.Subject.Message)
	case p.Subject.Status != graft.StatusInjected:
		return p.Raw, []string{fmt.Sprintf("the webhook leaves this pod as it is (%s), and so is its environment", p.Subject.Reason)}, nil
	}
	id, known := p.Subject.Identity, graft.Facts{NeverSeen: p.NeverSeen}
	data, found, err := p.Objects.ConfigMap(ctx, id.ConfigMap)
	switch {
	case err != nil:
		return nil, nil, err
	case found:
		known.ConfigMap = graft.ConfigMap{State: graft.ConfigMapFound, Keys: slices.Sorted(maps.Keys(data))}
	default:
		known.ConfigMap.State = graft.ConfigMapNotFound
	}
	if p.Subject.Settings.Secrets {
		known.Parameter = objects.parameter(id.Parameter).Parameter
		switch known.Parameter.State {
		case graft.ParameterAccessDenied, graft.ParameterThrottled, graft.ParameterUnreachable, graft.ParameterUnchecked:
			return nil, nil, fmt.Errorf("cannot read parameter %q with your AWS credentials: %s", id.Parameter, known.Parameter.Cause)
		default:
		}
	}
	result := p.Subject.Graft(known)
	if result.Report.Status == graft.StatusDenied {
		return nil, nil, fmt.Errorf("the webhook denies this pod: %s", result.Report.Message)
	}
	raw, err = patch.Apply(p.Raw, result.Operations)
	for _, w := range result.Report.Warnings {
		notes = append(notes, w.Message)
	}
	return raw, notes, err
}

// withSet puts the given values in the place of entries of their names, and in front
// of all where there is none: entries that refer to them see them.
func withSet(env []corev1.EnvVar, set map[string]string) []corev1.EnvVar {
	var all []corev1.EnvVar
	literal := func(name string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, Value: strings.ReplaceAll(set[name], "$", "$$")}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if !slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return e.Name == name }) {
			all = append(all, literal(name))
		}
	}
	for _, e := range env {
		if _, ok := set[e.Name]; ok {
			e = literal(e.Name)
		}
		all = append(all, e)
	}
	return all
}

// defaultContainer is the annotation by which kubectl chooses, see
// https://kubernetes.io/docs/reference/labels-annotations-taints/#kubectl-kubernetes-io-default-container.
const defaultContainer = "kubectl.kubernetes.io/default-container"

func choose(pod corev1.PodTemplateSpec, name string) (corev1.Container, error) {
	all := slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers)
	if name == "" {
		name = pod.Annotations[defaultContainer]
	}
	var names []string
	for _, c := range all {
		if c.Name == name || name == "" {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return corev1.Container{}, fmt.Errorf("no container is named %q: give -c with one of %s", name, strings.Join(names, ", "))
}

// other gives what is known of a pod before it runs.
func (p Pod) other(pod corev1.PodTemplateSpec, e corev1.EnvVar) (string, error) {
	what := "a file of a volume"
	switch from := e.ValueFrom; {
	case from.FieldRef != nil:
		path := from.FieldRef.FieldPath
		if key, ok := subscript(path, "metadata.labels"); ok {
			return pod.Labels[key], nil
		}
		if key, ok := subscript(path, "metadata.annotations"); ok {
			return pod.Annotations[key], nil
		}
		switch path {
		case "metadata.namespace":
			return p.Namespace, nil
		case "spec.serviceAccountName":
			if pod.Spec.ServiceAccountName != "" {
				return pod.Spec.ServiceAccountName, nil
			}
			return "default", nil
		}
		what = "field " + path
	case from.ResourceFieldRef != nil:
		what = "resource " + from.ResourceFieldRef.Resource
	}
	return "", fmt.Errorf("it is made of %s, which only a running pod has: give --set %s=VALUE", what, e.Name)
}

// subscript takes metadata.labels['KEY'] apart.
func subscript(path, field string) (string, bool) {
	key, ok := strings.CutPrefix(path, field+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(key, "']")
}

// mounts names the volumes that programs may expect: what is in them is in no
// environment.
func mounts(c corev1.Container) []string {
	notes := make([]string, len(c.VolumeMounts))
	for i, m := range c.VolumeMounts {
		notes[i] = fmt.Sprintf("container %s has volume %s at %s, which is not here", c.Name, m.Name, m.MountPath)
	}
	return notes
}

// object is a Secret or ConfigMap that was read.
type object struct {
	data  map[string]string
	found bool
}

// cached reads each object once, and the app's Secret as ESO would make it of the
// parameter that is there now.
type cached struct {
	ctx    context.Context //nolint:containedctx // it lives as long as one computation, and envresolve.World takes none
	pod    Pod
	value  *facts.Value
	data   map[string]object
	failed []error
}

func (c *cached) parameter(name string) facts.Value {
	if c.value == nil {
		value := c.pod.Parameters.Value(c.ctx, name)
		c.value = &value
	}
	return *c.value
}

func (c *cached) get(kind, name string) (map[string]string, bool) {
	key := kind + "/" + name
	if o, ok := c.data[key]; ok {
		return o.data, o.found
	}
	var o object
	var err error
	id := c.pod.Subject.Identity
	switch {
	case kind == envresolve.KindConfigMap:
		o.data, o.found, err = c.pod.Objects.ConfigMap(c.ctx, name)
	case name == id.Secret && c.pod.Subject.Settings.Secrets && c.pod.Subject.Status == graft.StatusInjected:
		value := c.parameter(id.Parameter)
		o.data, o.found = value.Data, value.State == graft.ParameterFound
	default:
		o.data, o.found, err = c.pod.Objects.Secret(c.ctx, name)
	}
	if err != nil {
		c.failed = append(c.failed, err)
	}
	c.data[key] = o
	return o.data, o.found
}

// withEnvironment returns a template whose own label names another environment, and
// any other as it is.
func withEnvironment(raw []byte, label, environment string) ([]byte, error) {
	var template map[string]any
	if err := json.Unmarshal(raw, &template); err != nil {
		return nil, err
	}
	metadata, _ := template["metadata"].(map[string]any)
	labels, _ := metadata["labels"].(map[string]any)
	if _, ok := labels[label]; !ok {
		return raw, nil
	}
	labels[label] = environment
	return json.Marshal(template)
}
