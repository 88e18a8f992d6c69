package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/envgraft/envgraft/certs"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/webhook"
)

// Files are what a standalone server has instead of a cluster and AWS.
type Files struct {
	// Parameters is a directory that stands for SSM, manifests a file or directory
	// of Namespaces and ConfigMaps; both may be empty.
	Parameters, Manifests string
	// CAFile is where the CA of a certificate of its own is written.
	CAFile string
}

// Standalone serves the webhooks on files alone, until ctx is done.
func Standalone(ctx context.Context, c *config.Configuration, files Files, version string, log logr.Logger) error {
	source, ca, err := newLocalCertificates(c.Server.Certificates, c.Server.Listen)
	if err != nil {
		return err
	}
	if files.CAFile != "" && ca != nil {
		if err := os.WriteFile(files.CAFile, ca, 0o644); err != nil { //nolint:gosec // a CA certificate is for everyone to read
			return fmt.Errorf("cannot write the CA: %w", err)
		}
	}
	registry := prometheus.NewRegistry()
	m := metrics.New(registry)
	m.SetBuildInfo(version)
	parameters, closeParameters, err := localParameters(files.Parameters, m)
	if err != nil {
		return err
	}
	defer closeParameters()
	static, err := localFacts(files.Manifests, files.Parameters)
	if err != nil {
		return err
	}
	server, err := newServer(c.Server, source, m, log)
	if err != nil {
		return err
	}
	namespaces := localNamespaces{static}
	engine := graft.New(c.Engine())
	server.RegisterReviews(
		&webhook.Pods{
			Engine: engine, Namespaces: namespaces, ConfigMaps: static, Parameters: parameters,
			ExternalSecrets: noExternalSecrets{}, Metrics: m, Log: log.WithName("pods"), FactsTimeout: c.Facts.AdmissionTimeout,
		},
		newWorkloads(engine, namespaces, m, log))
	server.Register("/metrics", metricsHandler(registry, m, source))
	registerLocalChecks(server, source)

	log.Info("Serving standalone", "listen", c.Server.Listen, "caFile", files.CAFile)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Start(ctx) })
	if runnable, ok := source.(manager.Runnable); ok {
		group.Go(func() error { return runnable.Start(ctx) })
	}
	return group.Wait()
}

// registerLocalChecks answers probes beside the webhooks.
func registerLocalChecks(server ctrlwebhook.Server, source certs.Source) {
	for path, check := range map[string]healthz.Checker{"/healthz": healthz.Ping, "/readyz": source.Ready} {
		server.Register(path, http.StripPrefix(path, &healthz.Handler{Checks: map[string]healthz.Checker{"server": check}}))
	}
}

// fileTTL is how long what a server read of a parameter's file is fresh. It
// remembers files as it does SSM in a cluster: reading one for each admission
// cost a quarter of the CPU.
const fileTTL = time.Second

// localParameters opens the directory that stands for SSM.
func localParameters(directory string, m *metrics.Metrics) (webhook.ParameterGetter, func(), error) {
	if directory == "" {
		return facts.Unchecked{Cause: "the server was started without --parameters"}, func() {}, nil
	}
	opened, err := facts.OpenDirectory(directory)
	if err != nil {
		return nil, nil, err
	}
	cache := facts.NewCache(opened, m, facts.CacheOptions{TTL: fileTTL, NegativeTTL: fileTTL})
	return cache, func() { _ = opened.Close() }, nil // it was only read
}

// localFacts reads Namespaces and ConfigMaps. The parameters may lie in the
// same directory; they are JSON, but no manifests.
func localFacts(path, parameters string) (facts.Static, error) {
	if path == "" {
		return facts.Static{Partial: true}, nil
	}
	stream, err := manifest.Read(manifest.Options{Paths: []string{path}, Exclude: parameters})
	if err != nil {
		return facts.Static{}, err
	}
	return stream.Facts("default"), nil
}

// localNamespaces are those of the manifests. Any other is one without labels:
// its pods can still opt in by themselves.
type localNamespaces struct{ facts.Static }

func (n localNamespaces) Namespace(ctx context.Context, name string) (identity.Namespace, error) {
	ns, err := n.Static.Namespace(ctx, name)
	if apierrors.IsNotFound(err) {
		return identity.Namespace{Name: name}, nil
	}
	return ns, err
}

func (n localNamespaces) Current(ctx context.Context, name string) (identity.Namespace, error) {
	return n.Namespace(ctx, name)
}

// noExternalSecrets is what is known of them without a cluster.
type noExternalSecrets struct{}

func (noExternalSecrets) State(_ context.Context, namespace string, d graft.Decision) facts.State {
	return facts.State{Keys: facts.Ask{Question: facts.QuestionOf(namespace, d.Identity)}}
}

func (x noExternalSecrets) Recorded(ctx context.Context, namespace string, d graft.Decision) facts.State {
	return x.State(ctx, namespace, d)
}
