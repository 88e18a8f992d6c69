// Package identity tells from labels who a pod is: its app, system and
// environment, and from these the SSM parameter and the objects that are its.
package identity

import (
	"errors"
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
)

// Tenancy says whose word counts for the system that a pod belongs to.
type Tenancy string

const (
	// TenancyNamespace takes the Namespace's: labels on a pod are its author's,
	// and must not be enough to reach another team's parameter.
	TenancyNamespace Tenancy = "namespace"
	// TenancyOpen takes the pod's first, for clusters of one team.
	TenancyOpen Tenancy = "open"
)

// Namespace is what identity needs of a Namespace.
type Namespace struct {
	Name        string
	Labels      map[string]string
	Annotations map[string]string
}

// Pod is what identity needs of a pod or pod template.
type Pod struct {
	Labels      map[string]string
	Annotations map[string]string
}

// Names are the templates of everything that an app owns.
type Names struct {
	Parameter      Template
	ConfigMap      Template
	Secret         Template
	ExternalSecret Template
}

// DefaultNames returns the names that the documentation speaks of.
func DefaultNames() Names {
	return Names{
		Parameter:      api.DefaultParameter,
		ConfigMap:      api.DefaultConfigMap,
		Secret:         api.DefaultSecret,
		ExternalSecret: api.DefaultExternalSecret,
	}
}

// Rules are the cluster's settings by which identities are resolved.
type Rules struct {
	Tenancy Tenancy
	// Environment stands in where neither pod nor Namespace names one.
	Environment string
	Names       Names
}

// Identity is who a pod is, and what is its.
type Identity struct {
	App            string `json:"app"`
	System         string `json:"system"`
	Environment    string `json:"environment"`
	Parameter      string `json:"parameter"`
	ConfigMap      string `json:"configMap"`
	Secret         string `json:"secret"`
	ExternalSecret string `json:"externalSecret"`
}

// ErrNoApp says that nothing names the pod's app.
var ErrNoApp = errors.New("no app label: set label " + api.LabelName + " or " + api.LabelApp + " on the pod template")

// Resolve returns the identity of a pod in a Namespace. Errors are for the
// pod's author and name the key, its value and what is accepted.
func (r Rules) Resolve(ns Namespace, pod Pod) (Identity, error) {
	app := first(pod.Labels[api.LabelApp], pod.Labels[api.LabelName])
	if app == "" {
		return Identity{}, ErrNoApp
	}
	system, err := r.system(ns, pod)
	if err != nil {
		return Identity{}, err
	}
	environment := first(pod.Labels[api.LabelEnvironment], ns.Labels[api.LabelEnvironment], r.Environment)
	if environment == "" {
		return Identity{}, fmt.Errorf("no environment: set label %s on the pod template or on namespace %q "+
			"(kubectl label namespace %s %s=stage)",
			api.LabelEnvironment, ns.Name, ns.Name, api.LabelEnvironment)
	}

	expand := func(t Template) string { return t.expand(system, app, environment) }
	id := Identity{
		App:            app,
		System:         system,
		Environment:    environment,
		Parameter:      override(pod, api.AnnotationParameter, expand(r.Names.Parameter)),
		ConfigMap:      override(pod, api.AnnotationConfigMap, expand(r.Names.ConfigMap)),
		Secret:         override(pod, api.AnnotationSecret, expand(r.Names.Secret)),
		ExternalSecret: expand(r.Names.ExternalSecret),
	}
	if err := id.validate(); err != nil {
		return Identity{}, err
	}
	if err := r.checkTenancy(ns, id, expand(r.Names.Parameter.prefix())); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// system applies the Namespace's say: its label, else its name.
func (r Rules) system(ns Namespace, pod Pod) (string, error) {
	own := first(ns.Labels[api.LabelSystem], ns.Name)
	claimed := pod.Labels[api.LabelSystem]
	if r.Tenancy == TenancyOpen {
		return first(claimed, pod.Labels[api.LabelPartOf], own), nil
	}
	if claimed != "" && claimed != own {
		return "", fmt.Errorf("label %s is %q, but namespace %q belongs to system %q: "+
			"remove the label, or have an administrator run kubectl label namespace %s %s=%s",
			api.LabelSystem, claimed, ns.Name, own, ns.Name, api.LabelSystem, claimed)
	}
	return own, nil
}

func (id Identity) validate() error {
	if err := ValidateParameter(id.Parameter); err != nil {
		return id.explain(err)
	}
	for _, object := range []struct{ kind, name string }{
		{"ConfigMap", id.ConfigMap}, {"Secret", id.Secret}, {"ExternalSecret", id.ExternalSecret},
	} {
		if err := ValidateObjectName(object.kind, object.name); err != nil {
			return id.explain(err)
		}
	}
	return nil
}

// explain says from which labels a bad name was made.
func (id Identity) explain(err error) error {
	return fmt.Errorf("app %q of system %q in environment %q: %w", id.App, id.System, id.Environment, err)
}

// checkTenancy holds a parameter to the prefixes its Namespace may reach.
func (r Rules) checkTenancy(ns Namespace, id Identity, own string) error {
	if r.Tenancy == TenancyOpen || strings.HasPrefix(id.Parameter, own) {
		return nil
	}
	prefixes, err := parsePrefixes(ns)
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		if strings.HasPrefix(id.Parameter, prefix) {
			return nil
		}
	}
	return fmt.Errorf("annotation %s is %q, but pods of namespace %q reach only parameters under %s; "+
		"an administrator can widen that with kubectl annotate namespace %s %s=/…/",
		api.AnnotationParameter, id.Parameter, ns.Name, quoteAll(append([]string{own}, prefixes...)),
		ns.Name, api.AnnotationParameterPrefixes)
}

// parsePrefixes reads the Namespace's additional prefixes. A prefix must end
// in "/": "/pop" would otherwise open "/popapps/…" too.
func parsePrefixes(ns Namespace) ([]string, error) {
	value, ok := ns.Annotations[api.AnnotationParameterPrefixes]
	if !ok {
		return nil, nil
	}
	var prefixes []string
	for part := range strings.SplitSeq(value, ",") {
		prefix := strings.TrimSpace(part)
		if len(prefix) < len("/x/") || !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/") {
			return nil, fmt.Errorf("annotation %s of namespace %q has the prefix %q: prefixes are comma separated, "+
				"each starts and ends with \"/\" and names a level, as in \"/shared/\"",
				api.AnnotationParameterPrefixes, ns.Name, prefix)
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

func quoteAll(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	return strings.Join(quoted, ", ")
}

// override returns the annotation where it is set, an empty one too: that is
// no valid name, and falling back from it would be silent.
func override(pod Pod, annotation, computed string) string {
	if value, ok := pod.Annotations[annotation]; ok {
		return value
	}
	return computed
}

// first returns the first value that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
