package config

import (
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/reload"
)

// retained are the environments whose Secrets outlive their parameters: a
// parameter that was deleted by mistake must not take production down.
func retained() []ExternalSecretOverride {
	return []ExternalSecretOverride{
		{Environment: "prod", DeletionPolicy: graft.DeletionPolicyRetain},
		{Environment: "production", DeletionPolicy: graft.DeletionPolicyRetain},
	}
}

// Default returns the configuration that an empty file would mean. Every
// default stands here.
func Default() *Configuration {
	return &Configuration{
		APIVersion: APIVersion,
		Kind:       Kind,
		Tenancy:    Tenancy{Mode: identity.TenancyNamespace},
		// Without these the cluster does not run.
		ExcludedNamespaces: []string{"kube-system", "kube-public", "kube-node-lease"},
		Names: Names{
			Parameter:      api.DefaultParameter,
			ConfigMap:      api.DefaultConfigMap,
			Secret:         api.DefaultSecret,
			ExternalSecret: api.DefaultExternalSecret,
		},
		SkipContainers:   defaultSkipContainers(),
		MissingParameter: graft.MissingAuto,
		InvalidParameter: graft.InvalidDeny,
		UnknownParameter: graft.UnknownAdmit,
		Facts: Facts{
			KeySource:        KeySourceSSM,
			ParameterTTL:     time.Minute,
			NegativeTTL:      10 * time.Second,
			ConfigMapTTL:     5 * time.Second,
			CallsPerSecond:   5, // SSM grants an account 40 by default, which ESO and other clusters share
			Burst:            20,
			AdmissionTimeout: 300 * time.Millisecond,
		},
		ExternalSecrets: ExternalSecrets{
			Enabled: true,
			ExternalSecretSettings: ExternalSecretSettings{
				RefreshInterval: 5 * time.Minute,
				DeletionPolicy:  graft.DeletionPolicyDelete,
				SecretStore:     SecretStore{Kind: api.DefaultStoreKind, Name: api.DefaultStoreName},
			},
			Overrides:            retained(),
			MinRefreshInterval:   time.Minute,
			MaxPerNamespace:      200,
			KeepUnused:           24 * time.Hour,
			VersionCheckInterval: time.Minute,
		},
		Reload:   Reload{Enabled: true, RolloutStrategy: reload.StrategyRestart},
		Events:   Events{FallbackInterval: time.Hour},
		Restarts: Restarts{Enabled: true, MinInterval: 10 * time.Minute, Repair: RepairEvent, MaxConcurrent: 10, ReadyTimeout: 10 * time.Minute},
		Server: Server{
			Listen:        ":9443",
			MetricsListen: ":8080",
			HealthListen:  ":8081",
			DrainDelay:    5 * time.Second,
			Limits: Limits{
				MaxConcurrentReviews: 256,
				MaxBytesInFlight:     32 << 20,
				MaxAnswerBytes:       1 << 20, // etcd takes objects of 1.5 MiB
				MaxConnections:       512,
			},
			Certificates: Certificates{
				SecretName:           "envgraft-webhook-tls",
				ServiceName:          "envgraft-webhook",
				WebhookConfiguration: "envgraft",
			},
		},
	}
}

// defaultSkipContainers returns the names by which well-known projects inject
// containers of their own. None of them is part of an app, and a variable of
// the app's could reconfigure them. docs/configuration.md has the source of each.
func defaultSkipContainers() []string {
	return []string{
		// Istio: the proxy, its iptables set-up, and the check that stands in
		// for the set-up where the CNI plug-in does it.
		"istio-proxy", "istio-init", "istio-validation",
		// Linkerd: likewise.
		"linkerd-proxy", "linkerd-init", "linkerd-network-validator",
		// Kuma and Kong Mesh: likewise.
		"kuma-sidecar", "kuma-init", "kuma-validation",
		// Consul service mesh.
		"consul-dataplane", "consul-connect-inject-init",
		// HashiCorp's Vault agent injector, and bank-vaults' webhook.
		"vault-agent", "vault-agent-init", "copy-vault-env", "copy-vault-token",
		// Dapr.
		"daprd",
		// Azure Workload Identity: the proxy and its iptables set-up.
		"azwi-proxy", "azwi-proxy-init",
		// Datadog, New Relic and OpenTelemetry: what copies their libraries into a
		// pod, one a language; OpenTelemetry's sidecar for Go is called so, too.
		"datadog-init-apm-inject", "datadog-lib-*-init",
		"newrelic-instrumentation-*", "opentelemetry-auto-instrumentation*",
		// Dynatrace: what installs its agent, and what older versions called it.
		"dynatrace-operator", "install-oneagent",
		// Knative Serving, whose own variables (USER_PORT, …) lead to the app.
		"queue-proxy",
	}
}
