package facts

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"k8s.io/utils/lru"

	"github.com/envgraft/envgraft/internal/config"
)

// maxClients bounds the clients for other regions and roles. Their number is
// that of a cluster's stores, some of which people of a namespace may write.
const maxClients = 64

// sessionName says in CloudTrail who assumed a role.
const sessionName = "envgraft"

// SSMClients are the clients of SSM by access, each made once.
type SSMClients struct {
	home   *ssm.Client
	loaded aws.Config
	budget *Budget

	mu       sync.Mutex
	byAccess *lru.Cache // of *ssm.Client
}

// NewSSMClients loads AWS settings as NewSSMClient does.
func NewSSMClients(ctx context.Context, c config.AWS, budget *Budget) (*SSMClients, error) {
	loaded, err := loadAWS(ctx, c)
	if err != nil {
		return nil, err
	}
	return &SSMClients{home: newSSMClient(loaded, c.SSMEndpoint, budget), loaded: loaded, budget: budget, byAccess: lru.New(maxClients)}, nil
}

// Home is the client of the webhook's own access.
func (c *SSMClients) Home() *ssm.Client { return c.home }

// Config are the AWS settings that clients are made by.
func (c *SSMClients) Config() aws.Config { return c.loaded }

// client returns the client of an access.
func (c *SSMClients) client(access Access) *ssm.Client {
	if access == (Access{}) {
		return c.home
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.byAccess.Get(access); ok {
		return known.(*ssm.Client) //nolint:forcetypeassert // nothing else is put there
	}
	client := c.connect(access)
	c.byAccess.Add(access, client)
	return client
}

// connect makes a client. A configured endpoint is that of the webhook's own
// region, and not used for others.
func (c *SSMClients) connect(access Access) *ssm.Client {
	settings := c.loaded.Copy()
	endpoint := ""
	if access.Region == "" || access.Region == c.loaded.Region {
		if home := c.home.Options().BaseEndpoint; home != nil {
			endpoint = *home
		}
	} else {
		settings.Region = access.Region
	}
	if access.Role != "" {
		settings.Credentials = assumedRole(c.loaded, access, c.budget)
	}
	return newSSMClient(settings, endpoint, c.budget)
}

// assumedRole are the credentials of a role, which last an hour and are had
// again in time.
func assumedRole(loaded aws.Config, access Access, budget *Budget) aws.CredentialsProvider {
	client := sts.NewFromConfig(loaded, func(o *sts.Options) { o.Retryer = newRetryer(budget) })
	provider := stscreds.NewAssumeRoleProvider(client, access.Role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		if access.ExternalID != "" {
			o.ExternalID = aws.String(access.ExternalID)
		}
	})
	return namedCredentials{aws.NewCredentialsCache(provider), access.Role}
}
