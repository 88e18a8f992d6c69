package graft

import "github.com/envgraft/envgraft/internal/identity"

// Status is the outcome for one pod.
type Status string

// The outcomes.
const (
	StatusInjected Status = "injected"
	StatusSkipped  Status = "skipped"
	StatusDenied   Status = "denied"
	// StatusAudited is of a Namespace in audit mode: nothing is done.
	StatusAudited Status = "audited"
)

// Reason says why, for machines: a metric label and a log key, so the set is
// closed.
type Reason string

// Reasons of the outcomes.
const (
	ReasonInjected         Reason = "Injected"
	ReasonNotOptedIn       Reason = "NotOptedIn"
	ReasonOptedOut         Reason = "OptedOut"
	ReasonExcluded         Reason = "Excluded"
	ReasonMirrorPod        Reason = "MirrorPod"
	ReasonNoApp            Reason = "NoApp"
	ReasonMalformed        Reason = "Malformed"
	ReasonTooLarge         Reason = "TooLarge"
	ReasonInvalidLabel     Reason = "InvalidLabel"
	ReasonInvalidSetting   Reason = "InvalidSetting"
	ReasonIdentity         Reason = "InvalidIdentity"
	ReasonMissingParameter Reason = "MissingParameter"
	ReasonInvalidParameter Reason = "InvalidParameter"
	ReasonUnknownParameter Reason = "UnknownParameter"
)

// Reasons of warnings.
const (
	// WarnNoApp goes with a skip: its namespace opted in, but the pod names no app.
	WarnNoApp            Reason = "NoApp"
	WarnParameterMissing Reason = "ParameterMissing"
	// WarnRunsWithout goes with a pod that starts without a Secret because nothing
	// says that its app has a parameter.
	WarnRunsWithout       Reason = "RunsWithoutParameter"
	WarnParameterEmpty    Reason = "ParameterEmpty"
	WarnParameterInvalid  Reason = "ParameterInvalid"
	WarnParameterUnknown  Reason = "ParameterUnknown"
	WarnConfigMapMissing  Reason = "ConfigMapMissing"
	WarnConfigMapUnknown  Reason = "ConfigMapUnknown"
	WarnUncheckedLiterals Reason = "UncheckedLiterals"
	WarnShadowedKey       Reason = "ShadowedKey"
	WarnKeyName           Reason = "KeyName"
	WarnDangerousKey      Reason = "DangerousKey"
	WarnExternalSecret    Reason = "ExternalSecret"
	// WarnAudit goes with a pod that would be denied without the audit.
	WarnAudit        Reason = "Audit"
	WarnSystemByName Reason = "SystemByName"
)

// Warning is something the pod's author should know.
type Warning struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
}

// Tier is where a variable's value comes from.
type Tier string

// The tiers, highest first.
const (
	TierParameter Tier = "parameter"
	TierConfigMap Tier = "configMap"
	TierPod       Tier = "pod"
)

// Rebinding is a literal that was bound to the key that should win over it.
type Rebinding struct {
	Name string `json:"name"`
	Tier Tier   `json:"tier"`
}

// ContainerReport says what was done to one container.
type ContainerReport struct {
	Name string `json:"name"`
	// Init is true for init containers, native sidecars among them.
	Init bool `json:"init"`
	// Skipped is true for a container on the skip list, or one that annotation
	// envgraft.dev/containers leaves out.
	Skipped bool `json:"skipped,omitempty"`
	// Late is true for one that was added after the pod was first admitted.
	Late    bool        `json:"late,omitempty"`
	Rebound []Rebinding `json:"rebound,omitempty"`
	// Composed are literals that stay because they are made of their own key.
	Composed []string `json:"composed,omitempty"`
}

// Report is the one account of what was done to a pod and why. Logs, metrics,
// warnings and the commands all print it.
type Report struct {
	Status Status `json:"status"`
	// Would is what a status "audited" would be without the audit.
	Would  Status `json:"would,omitempty"`
	Reason Reason `json:"reason"`
	// Message says for people why a pod was skipped or denied.
	Message    string            `json:"message,omitempty"`
	Identity   identity.Identity `json:"identity"`
	Parameter  ParameterState    `json:"parameterState,omitempty"`
	Warnings   []Warning         `json:"warnings,omitempty"`
	Containers []ContainerReport `json:"containers,omitempty"`
}
