package doctor

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: what a Reloader was started with decides what it acts on, see
// https://docs.stakater.com/reloader/1.4/reference/helm-values.html. What cannot
// be evaluated from here is "cannot tell", never "ok".

// arguments are those of a Reloader.
type arguments struct {
	reloader clusterview.Deployment
	// flags have the names in lower case: spf13/pflag takes them as they are, but
	// is-Argo-Rollouts has been written in both ways.
	flags map[string][]string
	// namespace is the only one that is watched; empty for all.
	namespace string
	// unclear is an environment variable whose value is not in the Deployment.
	unclear string
}

func argumentsOf(d clusterview.Deployment) *arguments {
	a := &arguments{reloader: d, flags: map[string][]string{}}
	for _, c := range d.Spec.Template.Spec.Containers {
		a.addFlags(append(slices.Clone(c.Command), c.Args...))
		for _, e := range c.Env {
			if e.Name == "KUBERNETES_NAMESPACE" {
				a.addNamespace(e)
			}
		}
	}
	return a
}

// addFlags reads --name=value, --name value, and command lines within one word.
func (a *arguments) addFlags(words []string) {
	words = strings.Fields(strings.Join(words, " "))
	for i, w := range words {
		flag, ok := strings.CutPrefix(w, "--")
		if !ok {
			continue
		}
		key, value, given := strings.Cut(flag, "=")
		if !given && i+1 < len(words) && !strings.HasPrefix(words[i+1], "--") {
			value = words[i+1]
		}
		key = strings.ToLower(key)
		for v := range strings.SplitSeq(strings.Trim(value, `"'`), ",") {
			if v = strings.TrimSpace(v); v != "" {
				a.flags[key] = append(a.flags[key], v)
			}
		}
	}
}

// addNamespace reads the variable by which the chart limits a Reloader to its
// own namespace.
func (a *arguments) addNamespace(e corev1.EnvVar) {
	switch {
	case e.Value != "":
		a.namespace = e.Value
	case e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.namespace":
		a.namespace = a.reloader.Metadata.Namespace
	case e.ValueFrom != nil:
		a.unclear = e.Name
	}
}

func (a *arguments) is(flag string) bool {
	return slices.Contains(a.flags[strings.ToLower(flag)], "true")
}

func (a *arguments) text(flag string) string {
	return fmt.Sprintf("--%s=%s", flag, strings.Join(a.flags[flag], ","))
}

// hearing says why a Reloader does not act on the app's Secret, or why that
// cannot be told; both are empty for one that does.
type hearing struct{ deaf, unsure string }

func (a *arguments) hears(in Input) hearing {
	ns := in.App.Workload.Namespace
	started := func(flag string) hearing {
		return hearing{deaf: fmt.Sprintf("%s was started with %s", a.reloader, a.text(flag))}
	}
	for _, values := range a.flags {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "$(") }) {
			return hearing{unsure: fmt.Sprintf("%s has arguments that refer to variables", a.reloader)}
		}
	}
	switch only := a.flags["namespaces"]; {
	case a.unclear != "":
		return hearing{unsure: fmt.Sprintf("the value of %s of %s is not in its Deployment", a.unclear, a.reloader)}
	case a.namespace != "" && a.namespace != ns:
		return hearing{deaf: fmt.Sprintf("%s has KUBERNETES_NAMESPACE set and watches only namespace %q", a.reloader, a.namespace)}
	case len(only) > 0 && !slices.Contains(only, ns):
		return started("namespaces")
	case slices.Contains(a.flags["namespaces-to-ignore"], ns):
		return started("namespaces-to-ignore")
	case slices.ContainsFunc(a.flags["resources-to-ignore"], func(r string) bool { return strings.EqualFold(r, "secrets") }):
		return started("resources-to-ignore")
	case len(a.flags["webhook-url"]) > 0:
		return started("webhook-url") // it is called instead of restarting anything
	case a.ignoresAnnotation(in):
		return started("secret-annotation")
	}
	if h := a.selects("namespace-selector", labelsOf(in.App.Namespace.State, in.App.Namespace.Value.Labels)); h != (hearing{}) {
		return h
	}
	return a.selects("resource-label-selector", labelsOf(in.App.Secret.State, in.App.Secret.Value.Labels))
}

// ignoresAnnotation says that Reloader goes by another annotation than the one
// that envgraft writes, and that the workload does not have it.
func (a *arguments) ignoresAnnotation(in Input) bool {
	renamed := a.flags["secret-annotation"]
	return len(renamed) > 0 && renamed[0] != api.ReloaderSecret && !names(in.App.Workload.Annotations[renamed[0]], in.App.Subject.Identity.Secret)
}

// labelsOf are the labels of what was read; nil where it was not.
func labelsOf(state clusterview.State, set map[string]string) labels.Set {
	if state != clusterview.Found {
		return nil
	}
	if set == nil {
		return labels.Set{}
	}
	return set
}

// selects evaluates a selector, in Reloader's older form "key:value", too.
func (a *arguments) selects(flag string, set labels.Set) hearing {
	requirements := slices.Clone(a.flags[flag])
	if len(requirements) == 0 {
		return hearing{}
	}
	for i, term := range requirements {
		key, value, old := strings.Cut(term, ":")
		if old {
			term = key + "=" + value
		}
		requirements[i] = strings.TrimSuffix(term, "=*")
	}
	selector, err := labels.Parse(strings.Join(requirements, ","))
	switch {
	case err != nil || set == nil:
		return hearing{unsure: fmt.Sprintf("%s was started with %s", a.reloader, a.text(flag))}
	case !selector.Matches(set):
		return hearing{deaf: fmt.Sprintf("%s was started with %s", a.reloader, a.text(flag))}
	}
	return hearing{}
}
