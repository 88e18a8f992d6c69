// Package identity computes from labels which app, system and environment a pod
// belongs to, and from these its SSM parameter, ConfigMap and Secret. It also checks
// which parameters the pod's Namespace may use.
package identity

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
)

// Tenancy says what decides the system of a pod: its Namespace, or its own labels.
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
	// Claimant is another Namespace whose label claims the system of this
	// one's name; empty where there is none, or nobody looked.
	Claimant string
}

// In returns the Namespace as one of another environment.
func (n Namespace) In(environment string) Namespace {
	n.Labels = maps.Clone(n.Labels)
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	n.Labels[api.LabelEnvironment] = environment
	return n
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
	// RequireSystemLabel keeps a Namespace from taking a system by its name.
	RequireSystemLabel bool
	// Environment stands in where the Namespace names none.
	Environment string
	// KnownEnvironments are those that the configuration speaks of.
	KnownEnvironments []string
	Names             Names
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
	// ParameterEnvironment is the environment that the parameter's path names,
	// else Environment: the one whose store and deletion policy count.
	ParameterEnvironment string `json:"-"`
	// SecretReferenced says that the Secret's name is the pod's author's choice
	// and that the Namespace does not list it: it may be any Secret there, so
	// nobody is to fill it, nor is it known to hold the parameter's keys.
	SecretReferenced bool `json:"-"`
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
	environment, err := r.environment(ns, pod)
	if err != nil {
		return Identity{}, err
	}

	expand := func(t Template) string { return t.Expand(system, app, environment) }
	id := Identity{
		App:            app,
		System:         system,
		Environment:    environment,
		Parameter:      override(pod, api.AnnotationParameter, expand(r.Names.Parameter)),
		ConfigMap:      override(pod, api.AnnotationConfigMapName, expand(r.Names.ConfigMap)),
		Secret:         expand(r.Names.Secret),
		ExternalSecret: expand(r.Names.ExternalSecret),
	}
	if named := override(pod, api.AnnotationSecretName, id.Secret); named != id.Secret {
		id.Secret, id.SecretReferenced = named, !lists(ns, named)
	}
	if err := id.validate(); err != nil {
		return Identity{}, err
	}
	if id.ParameterEnvironment, err = r.reach(ns, system, environment, id.Parameter); err != nil {
		return Identity{}, err
	}
	return id, nil
}

// ByName says that nothing but the recommended label names the pod's app and
// what is its. A pod that was admitted before has the marks of that: they count
// as such only where they say what the label says, so that an author who forges
// them gets what annotation secret-optional gives.
func (r Rules) ByName(pod Pod, id Identity) bool {
	for _, key := range []string{api.AnnotationSecretName, api.AnnotationConfigMapName} {
		if _, named := pod.Annotations[key]; named {
			return false
		}
	}
	computed := r.Names.Parameter.Expand(id.System, id.App, id.Environment)
	if override(pod, api.AnnotationParameter, computed) != computed {
		return false
	}
	app, named := pod.Labels[api.LabelApp]
	return !named || app == pod.Labels[api.LabelName] && pod.Annotations[api.AnnotationAwaitsSecret] == "true"
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
