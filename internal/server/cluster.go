package server

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/client/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/envgraft/envgraft/certs"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/tracing"
	"github.com/envgraft/envgraft/webhook"
)

// envPodNamespace is where the chart's Deployment says which namespace it is.
const envPodNamespace = "POD_NAMESPACE"

// credentialsTimeout bounds the wait for AWS credentials at start: with IRSA
// they cost a call of STS, for which the first admission would have no time.
const credentialsTimeout = 3 * time.Second

// cluster is a server in a cluster while it is put together.
type cluster struct {
	config    *config.Configuration
	namespace string // our own
	version   string
	log       logr.Logger
	registry  *prometheus.Registry
	metrics   *metrics.Metrics
	tracer    *tracing.Tracer
	source    certs.Source
	manager   manager.Manager
	webhooks  *webhook.Server
	draining  atomic.Bool
}

// Cluster serves until ctx is done and the last review is answered.
func Cluster(ctx context.Context, c *config.Configuration, version string, log logr.Logger) error {
	restConfig, err := ctrlconfig.GetConfig()
	if err != nil {
		return fmt.Errorf("cannot find a cluster; envgraft serve --standalone needs none: %w", err)
	}
	namespace := os.Getenv(envPodNamespace)
	if namespace == "" {
		return fmt.Errorf("cannot tell the webhook's own namespace: set %s, as the chart does by the downward API", envPodNamespace)
	}
	registry := prometheus.NewRegistry()
	s := &cluster{config: c, namespace: namespace, version: version, log: log, registry: registry, metrics: metrics.New(registry)}
	s.metrics.SetBuildInfo(version)
	tracer, flush := newTracer(ctx, version, log)
	defer flush()
	s.tracer = tracer
	for _, step := range []func(context.Context, *rest.Config) error{
		s.waitForAPI, s.addCertificates, s.addManager, s.addHandlers, s.addMetrics, s.addUI, s.addChecks,
	} {
		if err := step(ctx, restConfig); err != nil {
			return err
		}
	}
	return s.manager.Start(s.drained(ctx))
}

func (s *cluster) waitForAPI(ctx context.Context, restConfig *rest.Config) error {
	return waitForAPI(ctx, restConfig, apiTimeout, s.log)
}

func (s *cluster) addCertificates(_ context.Context, restConfig *rest.Config) (err error) {
	s.source, err = newCertificates(s.config.Server.Certificates, s.namespace, restConfig)
	return err
}

// addManager makes manager and webhook server.
func (s *cluster) addManager(_ context.Context, restConfig *rest.Config) (err error) {
	s.webhooks, err = newServer(s.config.Server, s.source, s.metrics, s.log)
	if err != nil {
		return err
	}
	s.manager, err = ctrl.NewManager(restConfig, manager.Options{
		Scheme:                 clientgoscheme.Scheme,
		Logger:                 s.log,
		Cache:                  facts.NamespaceCache(),
		Metrics:                server.Options{BindAddress: "0"}, // ours is served by addMetrics
		HealthProbeBindAddress: "0",                              // and by addChecks
		// The controller stands for election by itself: see leader.Lease.
		LeaderElection: false,
	})
	if err != nil {
		return fmt.Errorf("cannot make the manager: %w", err)
	}
	runnables := []manager.Runnable{s.webhooks}
	if runnable, ok := s.source.(manager.Runnable); ok {
		runnables = append(runnables, runnable)
	}
	for _, runnable := range runnables {
		if err := s.manager.Add(runnable); err != nil {
			return fmt.Errorf("cannot add to the manager: %w", err)
		}
	}
	return nil
}

// addHandlers wires facts, engine, controller and handlers.
func (s *cluster) addHandlers(ctx context.Context, _ *rest.Config) error {
	reader := s.manager.GetAPIReader()
	namespaces, err := facts.NewNamespaces(ctx, s.manager.GetCache(), reader)
	if err != nil {
		return err
	}
	keys, err := newKeys(ctx, s.config, reader, s.metrics, s.log)
	if err != nil {
		return err
	}
	engine := graft.New(s.config.Engine())
	externalSecrets, err := s.addController(engine, namespaces, keys)
	if err != nil {
		return err
	}
	told, err := s.addNotices()
	if err != nil {
		return err
	}
	s.webhooks.RegisterReviews(
		&webhook.Pods{
			Engine: engine, Namespaces: namespaces, Parameters: keys.pods,
			ConfigMaps:      facts.NewConfigMaps(reader, s.metrics, s.config.Facts.ConfigMapTTL),
			ExternalSecrets: externalSecrets, Notices: told, Tracer: s.tracer, Metrics: s.metrics, Log: s.log.WithName("pods"),
			FactsTimeout: s.config.Facts.AdmissionTimeout,
		},
		newWorkloads(engine, namespaces, s.metrics, s.log))
	return nil
}

// drained returns a context that outlives ctx by the drain delay: Services
// and API servers hear late that a replica goes, and a refused connection
// fails the pod that it was for.
func (s *cluster) drained(ctx context.Context) context.Context {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		s.draining.Store(true)
		s.webhooks.Retire()
		s.log.Info("Draining", "delay", s.config.Server.DrainDelay.String())
		time.AfterFunc(s.config.Server.DrainDelay, stop)
	})
	return serving
}

// onEveryReplica is a runnable that does not wait to be the leader.
type onEveryReplica func(context.Context) error

func (f onEveryReplica) Start(ctx context.Context) error { return f(ctx) }
func (onEveryReplica) NeedLeaderElection() bool          { return false }
