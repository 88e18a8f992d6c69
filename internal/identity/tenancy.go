package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: a pod reaches the parameters of its Namespace's system and
// environments, and those that an administrator opened to the Namespace.

// prefix is a beginning of paths that pods of a Namespace may reach.
type prefix struct {
	path string
	// own is true for the template's levels up to the system.
	own bool
}

// levels counts those of the prefix.
func (p prefix) levels() int { return strings.Count(p.path, "/") - 1 }

// system applies the Namespace's say: its label, else its name.
func (r Rules) system(ns Namespace, pod Pod) (string, error) {
	own := ns.Labels[api.LabelSystem]
	claimed := pod.Labels[api.LabelSystem]
	if r.Tenancy == TenancyOpen {
		own = first(claimed, pod.Labels[api.LabelPartOf], own)
		claimed = own
	}
	if own == "" && r.RequireSystemLabel {
		return "", fmt.Errorf("namespace %q has no label %s, which tenancy.requireSystemLabel asks for: "+
			"have an administrator run kubectl label namespace %s %s=%s",
			ns.Name, api.LabelSystem, ns.Name, api.LabelSystem, first(claimed, ns.Name))
	}
	own = first(own, ns.Name)
	if claimed != "" && claimed != own {
		return "", fmt.Errorf("label %s is %q, but namespace %q belongs to system %q: "+
			"remove the label, or have an administrator run kubectl label namespace %s %s=%s",
			api.LabelSystem, claimed, ns.Name, own, ns.Name, api.LabelSystem, claimed)
	}
	return own, nil
}

// SystemByName says whose label claims the system that the Namespace takes by
// its name alone, if any does.
func (r Rules) SystemByName(ns Namespace, id Identity) (claimant string, ok bool) {
	byName := r.Tenancy == TenancyNamespace && ns.Labels[api.LabelSystem] == "" && id.System == ns.Name
	return ns.Claimant, byName && ns.Claimant != ""
}

// CheckParameter says why pods of a Namespace may not reach a parameter, as it
// is asked of one that was reached before: a Namespace's system, environment
// or prefixes may have changed since.
func (r Rules) CheckParameter(ns Namespace, parameter string) (environment string, err error) {
	if err := ValidateParameter(parameter); err != nil {
		return "", err
	}
	system, err := r.system(ns, Pod{})
	if err != nil && r.Tenancy != TenancyOpen {
		return "", err
	}
	return r.reach(ns, system, r.ownEnvironment(ns), parameter)
}

// reach returns the environment of a parameter: the one that its path names,
// else that of the pod. It is an error where the Namespace's pods may not
// reach the parameter.
func (r Rules) reach(ns Namespace, system, environment, path string) (string, error) {
	if r.Tenancy == TenancyOpen {
		levels := strings.Split(path[1:], "/")
		named, _, ok := r.Names.Parameter.environmentIn(levels)
		if ok && r.Names.Parameter.fits(levels) {
			return named, nil
		}
		return environment, nil
	}
	allowed, err := r.environments(ns)
	if err != nil {
		return "", err
	}
	opened, err := r.openedBy(ns, system, allowed, path)
	if err != nil {
		return "", err
	}
	// An administrator may have opened one path of another environment within
	// the system: the path needs one prefix that is good for it, not all.
	var refused error
	for _, prefix := range opened {
		named, err := r.pathEnvironment(ns, allowed, path, prefix)
		if err == nil {
			return first(named, environment), nil
		}
		refused = cmp.Or(refused, err)
	}
	return "", refused
}

// openedBy returns the prefixes under which a path is open to the Namespace,
// one at least.
func (r Rules) openedBy(ns Namespace, system string, allowed []string, path string) ([]prefix, error) {
	var all []prefix
	for _, environment := range allowed {
		own := prefix{path: r.Names.Parameter.Prefix().Expand(system, "", environment), own: true}
		if !slices.Contains(all, own) {
			all = append(all, own)
		}
	}
	widened, malformed := parsePrefixes(ns)
	for _, path := range widened {
		all = append(all, prefix{path: path})
	}
	opened := slices.DeleteFunc(slices.Clone(all), func(p prefix) bool { return !strings.HasPrefix(path, p.path) })
	switch {
	case len(opened) > 0:
		return opened, nil
	case malformed != nil:
		return nil, malformed
	}
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.path
	}
	return nil, fmt.Errorf("annotation %s is %q, but pods of namespace %q reach only parameters under %s; "+
		"an administrator can widen that with kubectl annotate namespace %s %s=/…/",
		api.AnnotationParameter, path, ns.Name, quoteAll(names), ns.Name, api.AnnotationAllowedParameterPrefixes)
}

// parsePrefixes reads the Namespace's additional prefixes. A prefix must end
// in "/": "/pop" would otherwise open "/popapps/…" too.
func parsePrefixes(ns Namespace) ([]string, error) {
	value, ok := ns.Annotations[api.AnnotationAllowedParameterPrefixes]
	if !ok {
		return nil, nil
	}
	var prefixes []string
	for part := range strings.SplitSeq(value, ",") {
		prefix := strings.TrimSpace(part)
		if len(prefix) < len("/x/") || !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/") {
			return nil, fmt.Errorf("annotation %s of namespace %q has the prefix %q: prefixes are comma separated, "+
				"each starts and ends with \"/\" and names a level, as in \"/shared/\"",
				api.AnnotationAllowedParameterPrefixes, ns.Name, prefix)
		}
		if err := ValidateParameter(strings.TrimSuffix(prefix, "/")); err != nil {
			return nil, fmt.Errorf("annotation %s of namespace %q has the prefix %q: %w",
				api.AnnotationAllowedParameterPrefixes, ns.Name, prefix, err)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}
