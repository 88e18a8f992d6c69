package server

import (
	"cmp"
	"os"

	"github.com/go-logr/logr"

	"github.com/envgraft/envgraft/certs"
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/leader"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/webhook"
)

// addController adds the controller of ExternalSecrets, and returns what every
// replica knows of them.
func (s *cluster) addController(engine *graft.Engine, namespaces *facts.Namespaces, keys keys) (webhook.ExternalSecretGetter, error) {
	if !s.config.ExternalSecrets.Enabled {
		return noExternalSecrets{}, nil
	}
	return controller.Setup(s.manager, controller.Dependencies{
		Decider: engine, Namespaces: namespaces, Parameters: keys.controller, Versions: keys.versions, Metrics: s.metrics,
		Settings: s.config.ExternalSecretFor, Stores: s.stores(),
	}, controller.Options{
		NoRestarts:         !s.config.Reload.Enabled || !s.config.Restarts.Enabled,
		Repair:             s.config.Restarts.Repair == config.RepairRestart,
		Queue:              s.config.Restarts.Queue(),
		MinRestartInterval: s.config.Restarts.MinInterval,
		Lease:              &leader.Lease{Namespace: s.namespace, Name: api.Lease},
		KeepUnused:         s.config.ExternalSecrets.KeepUnused,
		MaxPerNamespace:    s.config.ExternalSecrets.MaxPerNamespace,

		EventQueues: keys.queues, EventFallback: s.config.Events.FallbackInterval, Region: keys.region,

		VersionCheckInterval: s.config.ExternalSecrets.VersionCheckInterval,
	})
}

// newWorkloads makes the handler of workloads.
func newWorkloads(engine *graft.Engine, namespaces webhook.NamespaceGetter, m *metrics.Metrics, log logr.Logger) *webhook.Workloads {
	return &webhook.Workloads{Engine: engine, Namespaces: namespaces, Metrics: m, Log: log.WithName("workloads")}
}

// newServer makes the server of the webhooks.
func newServer(c config.Server, source certs.Source, m *metrics.Metrics, log logr.Logger) (*webhook.Server, error) {
	return webhook.NewServer(webhook.ServerOptions{
		Listen: c.Listen, HTTP2: c.HTTP2, GetCertificate: source.GetCertificate,
		ClientCA: c.ClientCA, Limits: webhook.Limits(c.Limits), Metrics: m, Log: log.WithName("server"),
	})
}

// stores says how the parameters of stores are read.
func (s *cluster) stores() eso.StoreReader {
	if s.config.Facts.KeySource != config.KeySourceSSM {
		return facts.AnyStore{}
	}
	return facts.Stores{Region: cmp.Or(s.config.AWS.Region, os.Getenv("AWS_REGION")), SameAccount: s.config.SameAccount}
}
