package identity

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: a Namespace's environment binds its pods. Labels and annotations
// of a pod are its author's, and must not be enough to have prod's parameter
// copied into a namespace of stage.

// environment applies the Namespace's say: its label, else the server's
// setting, and those that its annotation lists besides.
func (r Rules) environment(ns Namespace, pod Pod) (string, error) {
	claimed := pod.Labels[api.LabelEnvironment]
	own := r.ownEnvironment(ns)
	if r.Tenancy == TenancyOpen {
		own = first(claimed, own)
	}
	if own == "" {
		return "", fmt.Errorf("no environment: set label %s on namespace %q (kubectl label namespace %s %s=stage)",
			api.LabelEnvironment, ns.Name, ns.Name, api.LabelEnvironment)
	}
	if claimed == "" || claimed == own {
		return own, nil
	}
	allowed, err := r.environments(ns)
	if err != nil {
		return "", err
	}
	if !slices.Contains(allowed, claimed) {
		return "", fmt.Errorf("label %s is %q, but pods of namespace %q are bound to %s: remove the label, or have an administrator run %s",
			api.LabelEnvironment, claimed, ns.Name, quoteAll(allowed), openEnvironment(ns, claimed))
	}
	return claimed, nil
}

func (r Rules) ownEnvironment(ns Namespace) string {
	return first(ns.Labels[api.LabelEnvironment], r.Environment)
}

// environments returns those that pods of the Namespace may name, its own first.
func (r Rules) environments(ns Namespace) ([]string, error) {
	var all []string
	if own := r.ownEnvironment(ns); own != "" {
		all = append(all, own)
	}
	value, ok := ns.Annotations[api.AnnotationAllowedEnvironments]
	if !ok {
		return all, nil
	}
	for part := range strings.SplitSeq(value, ",") {
		name := strings.TrimSpace(part)
		if name == "" || len(validation.IsValidLabelValue(name)) > 0 {
			return nil, fmt.Errorf("annotation %s of namespace %q has the environment %q: use names, comma separated, as in \"stage,qa\"",
				api.AnnotationAllowedEnvironments, ns.Name, name)
		}
		all = append(all, name)
	}
	return all, nil
}

// openEnvironment is the command that lets pods name one more.
func openEnvironment(ns Namespace, environment string) string {
	if listed := ns.Annotations[api.AnnotationAllowedEnvironments]; listed != "" {
		environment = listed + "," + environment
	}
	return fmt.Sprintf("kubectl annotate --overwrite namespace %s %s=%s", ns.Name, api.AnnotationAllowedEnvironments, environment)
}

// pathEnvironment returns the environment that a path names, or "" where it
// names none. The first levels of the path are somebody's word already: the
// template's, or an administrator's prefix. Of the rest, the level in
// {environment}'s place must be one of those allowed; and where nothing is in
// that place, no level may be another environment that the configuration knows.
func (r Rules) pathEnvironment(ns Namespace, allowed []string, path string, opened prefix) (string, error) {
	levels := strings.Split(path[1:], "/")
	named, at, ok := r.Names.Parameter.environmentIn(levels)
	if ok && at < opened.levels() {
		return named, nil
	}
	if ok && (opened.own || r.Names.Parameter.fits(levels)) {
		if !slices.Contains(allowed, named) {
			return "", r.foreignEnvironment(ns, allowed, path, levels[at])
		}
		return named, nil
	}
	for _, level := range levels[min(opened.levels(), len(levels)):] {
		same := func(environment string) bool { return strings.EqualFold(environment, level) }
		if slices.ContainsFunc(r.KnownEnvironments, same) && !slices.Contains(allowed, level) {
			return "", r.foreignEnvironment(ns, allowed, path, level)
		}
	}
	return "", nil
}

func (r Rules) foreignEnvironment(ns Namespace, allowed []string, path, named string) error {
	return fmt.Errorf("parameter %q is of environment %q by the template %q, but pods of namespace %q are bound to %s: "+
		"name another parameter, or have an administrator run %s",
		path, named, string(r.Names.Parameter), ns.Name, quoteAll(allowed), openEnvironment(ns, named))
}
