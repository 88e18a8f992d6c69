package doctor

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: what else the API server asks lets the pod in, and sets no variable
// that takes precedence over one of the app's keys. What it adds and changes is
// named. Others' refusals are fixed by others.

func checkOtherWebhooks(in Input) Finding {
	if f, stop := notInjected(in); stop {
		return f
	}
	w := in.App.Workload
	switch r := refusalOf(in); {
	case r.kind == notRefused && in.Admission.State != clusterview.Found:
		return unseen(in.Admission.Cause)
	case r.kind == notRefused:
	case r.kind == refusedDenied:
		return broken(ask("whoever runs %s, which is not envgraft's, what it wants of pods of %s", r.by, w),
			"another webhook or policy denies pods of %s: %s", w, r.text)
	case r.kind == refusedUnreachable:
		return broken(ask("whoever runs %s, which is not envgraft's, to make it reachable", r.by),
			"another webhook cannot be reached, so that no pod of %s is created: %s", w, r.text)
	case r.kind == refusedQuota:
		return warn("the next pod would not be created: %s", r.text)
	default:
		return broken(none(), "the API server refuses pods of %s: %s", w, r.text)
	}
	if s := in.shadowed(); len(s) > 0 {
		return broken(unshadow(in, s[0]),
			"another webhook %s %s %s container %s, which takes precedence over the key of %s",
			s[0].verb, s[0].Name, map[string]string{adds: "to", changes: "in"}[s[0].verb], s[0].container.name, s[0].Key)
	}
	return ok("none refuses the pod, or sets one of its keys%s", foreignText(in))
}

// shadow is a key of the app that another webhook's variable takes precedence over.
type shadow struct {
	container       container
	verb, Name, Key string
}

// container is one of the pod; list is the field of the spec that has it.
type container struct{ list, name string }

// unshadow declares what another adds. What it changes is declared already.
func unshadow(in Input, s shadow) fix {
	if s.verb == changes {
		return ask("whoever runs the webhook or policy that changes %s to leave pods of %s alone", s.Name, in.App.Workload)
	}
	return declareLiteral(in, s.container, s.Name)
}

// What another webhook does to a variable, as a message says it.
const (
	adds    = "adds"
	changes = "changes"
)

// shadowed looks in the pod of the dry run for variables of others that shadow a
// key. One that is made of its own key carries it.
func (in Input) shadowed() []shadow {
	pod, d := in.Admission.Value.Pod, in.App.Subject
	admitted := in.App.Admitted(pod)
	var found []shadow
	for list, containers := range in.containers() {
		for _, c := range containers {
			variables, _ := envresolve.Compute(c, in.keys)
			for _, v := range variables {
				verb := map[string]string{envresolve.ByAnotherAdded: adds, envresolve.ByAnotherChanged: changes}[admitted[c.Name].ByAnother(v)]
				key := keyShadowed(in, v)
				if verb == "" || key == "" || d.Settings.Keep.Has(v.Name) || madeOfItself(c, v.Name) {
					continue
				}
				found = append(found, shadow{container{list, c.Name}, verb, v.Name, key})
			}
		}
	}
	return found
}

// containers are those of the pod of the dry run, by the field that has them.
func (in Input) containers() iter.Seq2[string, []corev1.Container] {
	return func(yield func(string, []corev1.Container) bool) {
		spec := in.Admission.Value.Pod.Spec
		_ = yield("initContainers", spec.InitContainers) && yield("containers", spec.Containers)
	}
}

// keys are those of the app's own objects.
func (in Input) keys(kind, name string) ([]string, bool) {
	id, facts := in.App.Subject.Identity, in.App.Facts()
	switch {
	case kind == envresolve.KindSecret && name == id.Secret:
		return facts.Parameter.Keys, facts.Parameter.Known()
	case kind == envresolve.KindConfigMap && name == id.ConfigMap:
		return facts.ConfigMap.Keys, facts.ConfigMap.State != graft.ConfigMapUnknown
	}
	return nil, false
}

// keyShadowed names what has the key that a variable shadows; empty where it shadows none.
func keyShadowed(in Input, v envresolve.Variable) string {
	id := in.App.Subject.Identity
	for i, source := range append([]envresolve.Source{v.From}, v.Shadows...) {
		var of string
		switch {
		case source.Kind == envresolve.KindSecret && source.Name == id.Secret:
			of = "parameter " + id.Parameter
		case source.Kind == envresolve.KindConfigMap && source.Name == id.ConfigMap:
			of = "ConfigMap " + id.ConfigMap
		default:
			continue
		}
		if i == 0 {
			return ""
		}
		return of
	}
	return ""
}

// madeOfItself says that a literal refers to its own name, as
// JAVA_TOOL_OPTIONS: "$(JAVA_TOOL_OPTIONS) -javaagent:/a.jar".
func madeOfItself(c corev1.Container, name string) bool {
	return slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
		return e.Name == name && slices.Contains(slices.Collect(envresolve.References(e.Value)), name)
	})
}

// foreignText names what other webhooks do to the pod.
func foreignText(in Input) string {
	admitted := in.App.Admitted(in.Admission.Value.Pod)
	var parts []string
	for _, containers := range in.containers() {
		for _, c := range containers {
			a := admitted[c.Name]
			if a.Container {
				parts = append(parts, fmt.Sprintf("container %s added by another webhook", c.Name))
				continue
			}
			added := slices.Clone(a.Added)
			for _, object := range a.Objects {
				added = append(added, "all of "+object.String())
			}
			if len(added) > 0 {
				parts = append(parts, fmt.Sprintf("%s added to container %s by another webhook", some(added), c.Name))
			}
			if len(a.Changed) > 0 {
				parts = append(parts, fmt.Sprintf("%s changed in container %s by another webhook", some(a.Changed), c.Name))
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; " + strings.Join(parts, "; ")
}

// some joins names, as many as a line has room for.
func some(names []string) string {
	const maxNames = 10
	if len(names) > maxNames {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNames], ", "), len(names)-maxNames)
	}
	return strings.Join(names, ", ")
}
