// Package graft decides what an admitted pod's environment must look like and
// writes the JSON patch that makes it so. It is pure: the pod, its Namespace,
// the configuration and the facts come in; operations and a report go out.
package graft

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// MissingPolicy says what becomes of a pod whose parameter does not exist.
type MissingPolicy string

// InvalidPolicy says what becomes of a pod whose parameter is no JSON object.
type InvalidPolicy string

// UnknownPolicy says what becomes of a pod whose parameter's keys are not known.
type UnknownPolicy string

// The policies.
const (
	// MissingAuto starts a pod without its Secret where nothing says that it has
	// one: see runsWithout. It is MissingWait for all others.
	MissingAuto MissingPolicy = "auto"
	// MissingWait admits the pod: kubelet retries until the Secret exists.
	MissingWait MissingPolicy = "wait"
	MissingDeny MissingPolicy = "deny"

	InvalidDeny InvalidPolicy = "deny"
	InvalidWarn InvalidPolicy = "warn"

	// UnknownAdmit admits the pod; its literals stay unchecked.
	UnknownAdmit UnknownPolicy = "admit"
	UnknownDeny  UnknownPolicy = "deny"
)

// Config is the part of the configuration that the engine goes by.
type Config struct {
	Rules            identity.Rules
	MissingParameter MissingPolicy
	InvalidParameter InvalidPolicy
	UnknownParameter UnknownPolicy
	// SkipContainers are names of containers that are nobody's app; "*" in one
	// stands for any text.
	SkipContainers []string
	// ExcludedNamespaces are left alone, whatever labels are in them.
	ExcludedNamespaces []string
	// ClusterStores are the ClusterSecretStores that annotations may name.
	ClusterStores []string
	// Store is what parameters are read through where neither an annotation nor
	// EnvironmentStores, by environment, says otherwise.
	Store             Store
	EnvironmentStores map[string]Store
	// StoreRules bind stores to environments and namespaces.
	StoreRules []StoreRule
	// NamesOnce replaces literals also where the key that they are bound to is
	// optional. It is for manifests: server-side apply refuses those in which a
	// name stands twice.
	NamesOnce bool
	// MinRefreshInterval is the shortest that an annotation may ask for.
	MinRefreshInterval time.Duration
	// Reload writes Reloader's annotations.
	Reload bool
	// RolloutStrategy is how Reloader replaces the pods of Argo Rollouts.
	RolloutStrategy string
}

// Engine grafts by one configuration. It is safe for concurrent use.
type Engine struct {
	config Config
	skips  namePatterns
}

// New returns an engine that goes by the configuration.
func New(config Config) *Engine {
	return &Engine{config: config, skips: newNamePatterns(config.SkipContainers)}
}

// Skips says that a container of the name is left alone where nothing names the
// containers of its pod.
func (e *Engine) Skips(container string) bool { return e.skips.has(container) }

// Decision is what labels and annotations alone say of a pod. The webhook and
// the controller both go by it, so that the controller need trust no mark
// that a pod's author could have written.
type Decision struct {
	// Status is StatusInjected where the pod is to be grafted.
	Status Status
	// Would is what StatusAudited would be without the audit.
	Would    Status
	Reason   Reason
	Message  string
	Warnings []Warning
	OptIn    identity.OptIn
	Identity identity.Identity
	Settings Settings
	// ByName says that the Namespace alone opted the pod in, and the recommended
	// label alone names its app: it may be of somebody's chart that knows nothing
	// of envgraft.
	ByName bool
}

func (e *Engine) decide(ns identity.Namespace, pod identity.Pod) Decision {
	if slices.Contains(e.config.ExcludedNamespaces, ns.Name) {
		return Decision{Status: StatusSkipped, Reason: ReasonExcluded, Message: fmt.Sprintf(
			"namespace %q is one of excludedNamespaces, in which labels have no effect", ns.Name)}
	}
	optIn, err := identity.ResolveOptIn(ns, pod.Labels)
	if err != nil {
		return denied(optIn, ReasonInvalidLabel, err)
	}
	switch {
	case optIn.Origin == identity.OriginNone:
		return Decision{Status: StatusSkipped, Reason: ReasonNotOptedIn, OptIn: optIn, Message: fmt.Sprintf(
			"neither the pod nor namespace %q opted in: kubectl label namespace %s %s=%s", ns.Name, ns.Name, api.LabelInject, api.Enabled)}
	case !optIn.Enabled:
		return Decision{Status: StatusSkipped, Reason: ReasonOptedOut, OptIn: optIn, Message: fmt.Sprintf(
			"label %s=%s of the %s opts out", api.LabelInject, api.Disabled, optIn.Origin)}
	}
	if _, mirror := pod.Annotations[annotationMirror]; mirror {
		return Decision{
			Status: StatusSkipped, Reason: ReasonMirrorPod, OptIn: optIn,
			Message: "the kubelet mirrors a static pod here, which nobody can change",
		}
	}

	if err := cmp.Or(api.RenamedError(ns.Annotations), api.RenamedError(pod.Annotations)); err != nil {
		return denied(optIn, ReasonInvalidSetting, err)
	}

	id, err := e.config.Rules.Resolve(ns, pod)
	if errors.Is(err, identity.ErrNoApp) && optIn.Origin == identity.OriginNamespace {
		// A namespace holds pods that are nobody's app; they must start too.
		return Decision{
			Status: StatusSkipped, Reason: ReasonNoApp, OptIn: optIn, Message: err.Error(),
			Warnings: []Warning{{WarnNoApp, "not injected: " + err.Error()}},
		}
	}
	if errors.Is(err, identity.ErrNoApp) {
		return denied(optIn, ReasonNoApp, err)
	}
	if err != nil {
		return denied(optIn, ReasonIdentity, err)
	}
	settings, err := e.parseSettings(pod.Annotations)
	if err != nil {
		return denied(optIn, ReasonInvalidSetting, err)
	}
	d := Decision{Status: StatusInjected, Reason: ReasonInjected, OptIn: optIn, Identity: id, Settings: settings}
	d.ByName = optIn.Origin == identity.OriginNamespace && e.config.Rules.ByName(pod, id)
	if settings.Secrets {
		if err := e.checkStore(ns, id.Parameter, id.ParameterEnvironment, e.StoreOf(d)); err != nil {
			return denied(optIn, ReasonInvalidSetting, err)
		}
	}
	if claimant, ok := e.config.Rules.SystemByName(ns, id); ok {
		d.Warnings = append(d.Warnings, systemByName(ns, claimant))
	}
	return d
}

// systemByName is for a namespace that has the name of another's system, and
// with it that system's parameters.
func systemByName(ns identity.Namespace, claimant string) Warning {
	return Warning{WarnSystemByName, fmt.Sprintf(
		"namespace %q shares the system of namespace %q by its name alone; if it is meant to: kubectl label namespace %s %s=%s",
		ns.Name, claimant, ns.Name, api.LabelSystem, ns.Name)}
}

// annotationMirror marks a pod that a kubelet made of a static one, see
// https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror.
const annotationMirror = "kubernetes.io/config.mirror"

func denied(optIn identity.OptIn, reason Reason, err error) Decision {
	return Decision{Status: StatusDenied, Reason: reason, OptIn: optIn, Message: err.Error()}
}
