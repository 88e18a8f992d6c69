package controller

import (
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/leader"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/plan"
	"github.com/envgraft/envgraft/internal/restarts"
)

// Name is the controller's, in logs, in metrics and as the source of Events.
const Name = "envgraft"

// Decider computes opt-in, identity and settings from labels and annotations.
type Decider = plan.Decider

// Namespaces returns Namespaces as they are.
type Namespaces = eso.NamespaceGetter

// Dependencies are what the controller cannot do without.
type Dependencies struct {
	Decider    Decider
	Namespaces Namespaces
	Parameters lookup.Parameters
	// Versions tells the versions of parameters; nil where their source has none.
	Versions lookup.Versions
	Metrics  Recorder
	Settings externalsecret.Settings
	// Stores says how the parameters of a store are read.
	Stores eso.StoreReader
}

// Options are what the controller has defaults for.
type Options struct {
	// NoRestarts leaves workloads whose Secret came after their pods to people:
	// they get an Event.
	NoRestarts bool
	// Repair restarts, once, workloads whose pods would be given another
	// environment today. They get an Event anyhow.
	Repair bool
	// ScanInterval is how often pods are looked for that the webhook did not see.
	// The default is 5 min.
	ScanInterval time.Duration
	// EventQueues get the events of parameters; EventFallback is how often versions
	// are checked while all of them answer, and Region the one of stores without.
	EventQueues   []EventQueue
	EventFallback time.Duration
	Region        string
	// DiscoveryInterval is how often the API server is asked whether ESO is
	// there, and in which version. The default is 20 s.
	DiscoveryInterval time.Duration
	// QPS and Burst bound the controller's calls of the API server a second.
	// The default is 200, with bursts of 400.
	QPS   float32
	Burst int
	// Workers is how many apps are reconciled at a time. The default is 8.
	Workers int
	// Lease elects the replica that runs the controller; nil is for a single one.
	Lease *leader.Lease
	// Queue is how restarts wait for each other; its clock and its metric are set here.
	Queue restarts.Options
	// MinRestartInterval is the least time between two restarts of one workload.
	// The default is 10 minutes.
	MinRestartInterval time.Duration
	// KeepUnused is how long an ExternalSecret stays that only Jobs or pods of
	// their own used. The default is 24 h.
	KeepUnused time.Duration
	// Clock is the time that rules go by. The default is the real one.
	Clock clock.PassiveClock
	// VersionCheckInterval is how often new versions are looked for; 0 is never.
	VersionCheckInterval time.Duration
	// MaxPerNamespace is the most ExternalSecrets that are made in a namespace;
	// 0 is as many as are asked for.
	MaxPerNamespace int
	// LookupsPerSecond bounds the parameters that are looked up, within the
	// budget that Parameters keeps to. The default is 5.
	LookupsPerSecond float64
}

func (o Options) withDefaults() Options {
	setDefault(&o.DiscoveryInterval, 20*time.Second)
	setDefault(&o.ScanInterval, 5*time.Minute)
	setDefault(&o.QPS, 200)
	setDefault(&o.Burst, 400)
	setDefault(&o.Workers, 8)
	setDefault(&o.LookupsPerSecond, 5)
	setDefault(&o.KeepUnused, 24*time.Hour)
	setDefault(&o.MinRestartInterval, 10*time.Minute)
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// remembered bounds what is remembered of templates.
const remembered = 65536

// Setup adds the controller, which runs on the leader, and what it knows of
// ExternalSecrets, which every replica's webhook may ask, to the manager.
func Setup(mgr manager.Manager, needs Dependencies, options Options) (*eso.ExternalSecrets, error) {
	options = options.withDefaults()
	restConfig := rest.CopyConfig(mgr.GetConfig())
	// One for all kinds: each client of a kind would make one of its own.
	restConfig.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(options.QPS, options.Burst)
	httpClient, err := rest.HTTPClientFor(restConfig)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of the API server: %w", err)
	}

	external, err := eso.New(mgr.GetLogger().WithName("external-secrets"), restConfig,
		cache.Options{HTTPClient: httpClient, Mapper: mgr.GetRESTMapper()}, needs.Settings, needs.Stores,
		eso.Tenancy{Namespaces: needs.Namespaces, Decider: needs.Decider}, needs.Metrics, options.DiscoveryInterval)
	if err != nil {
		return nil, err
	}
	external.MaxPerNamespace = options.MaxPerNamespace
	if err := mgr.Add(external); err != nil {
		return nil, fmt.Errorf("cannot add the informers of ExternalSecrets: %w", err)
	}
	writer, err := client.New(restConfig, client.Options{HTTPClient: httpClient, Mapper: mgr.GetRESTMapper()})
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of the API server: %w", err)
	}
	c := &runner{
		connection: inventory.Connection{Name: Name, Config: restConfig, HTTP: httpClient, Log: mgr.GetLogger(), Interval: options.DiscoveryInterval},
		needs:      needs, options: options, client: writer, external: external,
		recorder: bounded.Recorder(mgr.GetEventRecorder(Name)), informers: mgr.GetCache(), defaults: mgr.GetControllerOptions(),
	}
	l, err := leader.New(mgr.GetConfig(), options.Lease, mgr.GetLogger().WithName("leader"), c.run)
	if err != nil {
		return nil, err
	}
	if err := mgr.Add(l); err != nil {
		return nil, fmt.Errorf("cannot add the controller: %w", err)
	}
	external.Follow(l.Elsewhere)
	return external, nil
}
