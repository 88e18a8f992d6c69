// Package config reads the server's configuration file: a versioned document
// that is decoded strictly, defaulted in one place and validated as a whole.
package config

import (
	"time"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// The version and kind that a configuration file must state.
const (
	APIVersion = "config.envgraft.dev/v1alpha1"
	Kind       = "Configuration"
)

// Configuration is the whole file. Durations are written as in Go: "300ms",
// "5m". docs/configuration.md documents it field by field.
type Configuration struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`

	// Environment stands in where neither a pod nor its Namespace has label
	// envgraft.dev/environment. "serve" in a cluster requires it.
	Environment string `yaml:"environment"`
	// Tenancy says which parameters a pod may reach.
	Tenancy Tenancy `yaml:"tenancy"`
	// ExcludedNamespaces are left alone, whatever their labels say.
	ExcludedNamespaces []string `yaml:"excludedNamespaces"`
	// Names are templates with {system}, {app} and {environment}.
	Names Names `yaml:"names"`
	// SkipContainers are names of containers that are left alone; "*" in one
	// stands for any text.
	SkipContainers []string `yaml:"skipContainers"`
	// MissingParameter is "auto", "wait" or "deny".
	MissingParameter graft.MissingPolicy `yaml:"missingParameter"`
	// InvalidParameter is "deny" or "warn".
	InvalidParameter graft.InvalidPolicy `yaml:"invalidParameter"`
	// UnknownParameter is "admit" or "deny".
	UnknownParameter graft.UnknownPolicy `yaml:"unknownParameter"`

	Facts           Facts           `yaml:"facts"`
	AWS             AWS             `yaml:"aws"`
	ExternalSecrets ExternalSecrets `yaml:"externalSecrets"`
	Events          Events          `yaml:"events"`
	Reload          Reload          `yaml:"reload"`
	Restarts        Restarts        `yaml:"restarts"`
	Server          Server          `yaml:"server"`
}

// Tenancy configures who decides the system of a pod.
type Tenancy struct {
	// Mode is "namespace" (a pod reaches its Namespace's system only) or "open".
	Mode identity.Tenancy `yaml:"mode"`
	// RequireSystemLabel keeps a Namespace from taking a system by its name.
	RequireSystemLabel bool `yaml:"requireSystemLabel"`
}

// Names are the templates of what an app owns.
type Names struct {
	Parameter      string `yaml:"parameter"`
	ConfigMap      string `yaml:"configMap"`
	Secret         string `yaml:"secret"`
	ExternalSecret string `yaml:"externalSecret"`
}

// KeySource says where a parameter's keys are read.
type KeySource string

// The key sources.
const (
	// KeySourceSSM asks SSM. It needs ssm:GetParameter and kms:Decrypt.
	KeySourceSSM KeySource = "ssm"
	// KeySourceSecret reads the Secret that ESO made, for clusters where the
	// webhook has no AWS identity. It needs the right to get Secrets.
	KeySourceSecret KeySource = "secret"
	// KeySourceNone reads neither: literals are never checked.
	KeySourceNone KeySource = "none"
)

// Facts configures what the webhook asks of the world.
type Facts struct {
	KeySource KeySource `yaml:"keySource"`
	// ParameterTTL is how long a parameter's keys count as fresh.
	ParameterTTL time.Duration `yaml:"parameterTTL"`
	// NegativeTTL is how long a failure or an absence is remembered.
	NegativeTTL time.Duration `yaml:"negativeTTL"`
	// ConfigMapTTL is how long a ConfigMap's keys count as fresh.
	ConfigMapTTL time.Duration `yaml:"configMapTTL"`
	// CallsPerSecond and Burst bound the calls of one replica to SSM.
	CallsPerSecond float64 `yaml:"callsPerSecond"`
	Burst          int     `yaml:"burst"`
	// AdmissionTimeout is the most that one admission waits for facts.
	AdmissionTimeout time.Duration `yaml:"admissionTimeout"`
}

// AWS configures access to SSM beyond the standard AWS environment variables.
type AWS struct {
	// Region is the region of the parameters.
	Region string `yaml:"region"`
	// SSMEndpoint is another address of SSM, as of a VPC endpoint.
	SSMEndpoint string `yaml:"ssmEndpoint"`
	// SameAccountStores are ClusterSecretStores whose own credentials are those
	// of the webhook's account.
	SameAccountStores []string `yaml:"sameAccountStores"`
}

// ExternalSecrets configures the controller.
type ExternalSecrets struct {
	ExternalSecretSettings `yaml:",inline"`

	// Enabled makes an ExternalSecret for every app that is injected.
	Enabled bool `yaml:"enabled"`
	// AllowedStores are ClusterSecretStores that annotations may name besides
	// the configured ones.
	AllowedStores []string `yaml:"allowedStores"`
	// Stores binds stores to environments and namespaces.
	Stores []StoreBinding `yaml:"stores"`
	// Overrides replace settings by environment.
	Overrides []ExternalSecretOverride `yaml:"overrides"`
	// RetainNowhere allows a configuration by which no environment's Secrets
	// outlive their parameters.
	RetainNowhere bool `yaml:"retainNowhere"`
	// MinRefreshInterval is the shortest refresh interval that may be asked for.
	MinRefreshInterval time.Duration `yaml:"minRefreshInterval"`
	// MaxPerNamespace is the most ExternalSecrets that are made in a namespace.
	MaxPerNamespace int `yaml:"maxPerNamespace"`
	// KeepUnused is how long one stays that only Jobs or standalone pods used.
	KeepUnused time.Duration `yaml:"keepUnused"`
	// VersionCheckInterval is how often SSM is asked for new versions; 0 is never.
	VersionCheckInterval time.Duration `yaml:"versionCheckInterval"`
}

// StoreBinding says who may use a store.
type StoreBinding struct {
	SecretStore `yaml:",inline"`

	// Environments and Namespaces may use it; empty means all.
	Environments []string `yaml:"environments,omitempty"`
	Namespaces   []string `yaml:"namespaces,omitempty"`
}

// ExternalSecretSettings are the settings of an ExternalSecret.
type ExternalSecretSettings struct {
	// RefreshInterval is how often ESO reads the parameter.
	RefreshInterval time.Duration `yaml:"refreshInterval"`
	// DeletionPolicy is what ESO does with the Secret when the parameter is
	// gone: "Delete" or "Retain".
	DeletionPolicy string      `yaml:"deletionPolicy"`
	SecretStore    SecretStore `yaml:"secretStore"`
}

// ExternalSecretOverride replaces what it sets for one environment. What it
// leaves out stays as it is for all environments.
type ExternalSecretOverride struct {
	Environment string `yaml:"environment"`
	// RefreshInterval is a pointer to tell "0s", an error, from being left out.
	RefreshInterval *time.Duration `yaml:"refreshInterval,omitempty"`
	DeletionPolicy  string         `yaml:"deletionPolicy,omitempty"`
	SecretStore     SecretStore    `yaml:"secretStore,omitempty"`
}

// SecretStore names an ESO store.
type SecretStore struct {
	// Kind is "ClusterSecretStore" or "SecretStore".
	Kind string `yaml:"kind,omitempty"`
	Name string `yaml:"name,omitempty"`
}

// Events configures the events of EventBridge by which changed parameters are
// known within seconds.
type Events struct {
	// Queues are the SQS queues that get the events.
	Queues []EventQueue `yaml:"queues"`
	// FallbackInterval is how often versions are checked while all queues answer.
	FallbackInterval time.Duration `yaml:"fallbackInterval"`
}

// EventQueue is one SQS queue.
type EventQueue struct {
	URL string `yaml:"url"`
	// Role is the ARN of a role to assume; empty for the pod's own.
	Role string `yaml:"role,omitempty"`
	// ExternalID is what the role's trust policy asks for.
	ExternalID string `yaml:"externalID,omitempty"`
}

// Restarts configures the restarts of workloads by the controller.
type Restarts struct {
	// Enabled restarts a workload whose pods started before their Secret existed.
	Enabled bool `yaml:"enabled"`
	// MinInterval is the least time between two restarts of one workload by the
	// controller, whatever their causes.
	MinInterval time.Duration `yaml:"minInterval"`
	// Repair says what becomes of workloads whose pods would be given another
	// environment today: "event" tells them, "restart" restarts them once as well.
	Repair Repair `yaml:"repair"`
	// MaxConcurrent is how many workloads the controller restarts at a time.
	MaxConcurrent int `yaml:"maxConcurrent"`
	// Windows are when it does, as "Mon-Fri 09:00-17:00 Europe/Berlin"; empty is always.
	Windows []string `yaml:"windows"`
	// ReadyTimeout is how long new pods may take before other workloads of the
	// parameter are held.
	ReadyTimeout time.Duration `yaml:"readyTimeout"`
}

// Repair is what is done about stale pods.
type Repair string

// The ways.
const (
	RepairEvent   Repair = "event"
	RepairRestart Repair = "restart"
)

// Reload configures Reloader's annotations.
type Reload struct {
	// Enabled writes them on workloads and on the pods that are injected.
	Enabled bool `yaml:"enabled"`
	// RolloutStrategy is how Reloader replaces the pods of Argo Rollouts:
	// "restart" or "rollout", which starts a canary.
	RolloutStrategy string `yaml:"rolloutStrategy"`
}

// Server configures how the webhook is served.
type Server struct {
	// Listen, MetricsListen and HealthListen are addresses as "host:port".
	Listen        string `yaml:"listen"`
	MetricsListen string `yaml:"metricsListen"`
	HealthListen  string `yaml:"healthListen"`
	// UIListen is a loopback address for the status page; empty for none.
	UIListen string `yaml:"uiListen"`
	// HTTP2 allows HTTP/2, which is off by default (CVE-2023-44487).
	HTTP2 bool `yaml:"http2"`
	// DrainDelay is how long the server answers on after it is told to stop,
	// so that no API server still sends to it when it closes.
	DrainDelay time.Duration `yaml:"drainDelay"`
	// ClientCA is a file of CA certificates in PEM. Where it is set, reviews are
	// taken only from clients that have a certificate signed by one of them.
	ClientCA string `yaml:"clientCA"` //nolint:tagliatelle // as Kubernetes writes it: clientCAFile, caBundle
	Limits   Limits `yaml:"limits"`
	// Certificates says where the serving certificate comes from.
	Certificates Certificates `yaml:"certificates"`
}

// Limits bound what reviews may take of a replica together.
type Limits struct {
	// MaxConcurrentReviews are worked on at once; others wait for their turn.
	MaxConcurrentReviews int `yaml:"maxConcurrentReviews"`
	// MaxBytesInFlight are held of long reviews at once.
	MaxBytesInFlight int `yaml:"maxBytesInFlight"`
	// MaxAnswerBytes is the length of a patch.
	MaxAnswerBytes int `yaml:"maxAnswerBytes"`
	// MaxConnections are open at once; one more closes the idlest.
	MaxConnections int `yaml:"maxConnections"`
}

// Certificates configures the serving certificate.
type Certificates struct {
	// CertFile and KeyFile are a provided certificate, as cert-manager's. Where
	// they are empty, envgraft issues its own.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
	// SecretName is where the replicas keep the certificate that they issue.
	SecretName string `yaml:"secretName"`
	// ServiceName is the Service that API servers call.
	ServiceName string `yaml:"serviceName"`
	// WebhookConfiguration is the MutatingWebhookConfiguration that gets the CA.
	WebhookConfiguration string `yaml:"webhookConfiguration"`
}
