package server

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/lookup"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/ssmevents"
	"github.com/envgraft/envgraft/webhook"
)

// keys are the ways to the keys of parameters that the configuration asks for.
type keys struct {
	// pods answers admissions, controller the controller: from one memory, each
	// by a budget of its own, so that neither waits for the other.
	pods, controller webhook.ParameterGetter
	// versions tells versions without values; nil where the source has none.
	versions lookup.Versions
	// queues get events of parameters, of which those without a region are of region.
	queues []controller.EventQueue
	region string
}

// newKeys makes them.
func newKeys(ctx context.Context, c *config.Configuration, reader client.Reader, m *metrics.Metrics, log logr.Logger) (keys, error) {
	options := facts.CacheOptions{
		TTL: c.Facts.ParameterTTL, NegativeTTL: c.Facts.NegativeTTL,
		MaxPerNamespace: c.ExternalSecrets.MaxPerNamespace, Log: log.WithName("facts"),
	}
	switch c.Facts.KeySource {
	case config.KeySourceNone:
		unchecked := facts.Unchecked{Cause: "facts.keySource is " + string(config.KeySourceNone)}
		return keys{pods: unchecked, controller: unchecked}, nil
	case config.KeySourceSecret:
		cache := facts.NewCache(facts.NewSecret(reader), m, options)
		return keys{pods: cache, controller: cache}, nil
	case config.KeySourceSSM:
	}
	options.Budget = facts.NewBudget(c.Facts.CallsPerSecond, c.Facts.Burst)
	clients, err := facts.NewSSMClients(ctx, c.AWS, options.Budget)
	if err != nil {
		return keys{}, err
	}
	warm, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	if _, err := clients.Home().Options().Credentials.Retrieve(warm); err != nil {
		log.Error(err, "Cannot get AWS credentials yet; pods are admitted without their literals being checked")
	}
	cache := facts.NewCache(facts.NewSSM(clients, m), m, options)
	queues, err := newQueues(c.Events, clients.Config())
	if err != nil {
		return keys{}, err
	}
	return keys{
		queues: queues, region: clients.Config().Region,
		pods: cache, controller: cache.By(facts.NewBudget(c.Facts.CallsPerSecond, c.Facts.Burst)),
		versions: facts.NewVersions(clients, m, c.Facts.CallsPerSecond),
	}, nil
}

// newQueues makes the clients of the queues of events.
func newQueues(c config.Events, loaded aws.Config) ([]controller.EventQueue, error) {
	var queues []controller.EventQueue
	for _, queue := range c.Queues {
		client, err := ssmevents.NewQueue(loaded, queue.URL, queue.Role, queue.ExternalID)
		if err != nil {
			return nil, err
		}
		queues = append(queues, controller.EventQueue{URL: queue.URL, Client: client})
	}
	return queues, nil
}
