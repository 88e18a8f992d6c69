package migrate

import (
	"fmt"
	"slices"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
)

// The rule: what envgraft adds by itself goes: unprefixed envFrom entries of
// the two objects, and env entries that bind a name to the key of that name in
// one of them.

// unwire takes the wiring out of the template.
func (a *planner) unwire() {
	for _, list := range []struct {
		pointer    string
		containers []corev1.Container
	}{
		{"/spec/initContainers", a.template.Spec.InitContainers},
		{"/spec/containers", a.template.Spec.Containers},
	} {
		for i, c := range list.containers {
			if !slices.ContainsFunc(c.EnvFrom, a.ours) {
				continue
			}
			pointer := fmt.Sprintf("%s/%d", list.pointer, i)
			removeItems(a, pointer+"/envFrom", c.EnvFrom, func(from corev1.EnvFromSource) bool {
				if !a.ours(from) {
					return false
				}
				a.removedf("container %s: envFrom %s", c.Name, nameOf(from))
				return true
			})
			removeItems(a, pointer+"/env", c.Env, func(e corev1.EnvVar) bool {
				if !bound(a, c, e) || !unique(c.Env, e.Name) {
					return false
				}
				a.removedf("container %s: env %s, bound to its own key", c.Name, e.Name)
				return true
			})
		}
	}
}

// removeItems removes what goes from a list: from the back, so that the places
// of those before stay, or the list as a whole.
func removeItems[T any](a *planner, pointer string, items []T, goes func(T) bool) {
	var operations []jsonpatch.Operation
	for i, item := range slices.Backward(items) {
		if goes(item) {
			operations = append(operations, jsonpatch.NewOperation("remove", fmt.Sprintf("%s/%d", pointer, i), nil))
		}
	}
	if len(operations) > 0 && len(operations) == len(items) {
		operations = []jsonpatch.Operation{jsonpatch.NewOperation("remove", pointer, nil)}
	}
	a.plan.Template = append(a.plan.Template, operations...)
}

// bound says that an entry binds a name to the key of that name, in the object
// that would win it anyway. A key that may be absent stays: what it shadows then
// would show.
func bound(a *planner, c corev1.Container, e corev1.EnvVar) bool {
	if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil || a.secret == "" {
		return false
	}
	ref := e.ValueFrom.SecretKeyRef
	keys, known := a.world.Keys("Secret", a.secret)
	takes := slices.ContainsFunc(c.EnvFrom, func(from corev1.EnvFromSource) bool {
		return a.ours(from) && from.SecretRef != nil && !isTrue(from.SecretRef.Optional)
	})
	return takes && ref.Name == a.secret && ref.Key == e.Name && !isTrue(ref.Optional) && known && slices.Contains(keys, e.Name)
}

// unique says that a container has one entry of a name: of several the last
// one counts, and removing it would let another through.
func unique(env []corev1.EnvVar, name string) bool {
	n := 0
	for _, e := range env {
		if e.Name == name {
			n++
		}
	}
	return n == 1
}

func nameOf(from corev1.EnvFromSource) string {
	if from.SecretRef != nil {
		return "Secret/" + from.SecretRef.Name
	}
	return "ConfigMap/" + from.ConfigMapRef.Name
}
