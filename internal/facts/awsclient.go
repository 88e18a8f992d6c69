package facts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"

	"github.com/envgraft/envgraft/internal/config"
)

// NewSSMClient returns a client of SSM by the standard chain of AWS settings
// and credentials; what c sets goes before the environment (AWS_REGION,
// AWS_ENDPOINT_URL_SSM). The SDK's own retries hold.
func NewSSMClient(ctx context.Context, c config.AWS) (*ssm.Client, error) {
	loaded, err := loadAWS(ctx, c)
	if err != nil {
		return nil, err
	}
	return newSSMClient(loaded, c.SSMEndpoint, nil), nil
}

// loadAWS loads settings and credentials by the standard chain.
func loadAWS(ctx context.Context, c config.AWS) (aws.Config, error) {
	var options []func(*awsconfig.LoadOptions) error
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("cannot load AWS settings: %w", err)
	}
	if loaded.Region == "" {
		return aws.Config{}, errors.New("cannot tell the AWS region: set aws.region in the configuration file, or AWS_REGION in the environment")
	}
	if err := checkEndpoint(loaded, c.SSMEndpoint); err != nil {
		return aws.Config{}, err
	}
	if loaded.Credentials != nil {
		loaded.Credentials = namedCredentials{loaded.Credentials, ""}
	}
	return loaded, nil
}

// checkEndpoint refuses settings that exclude each other: the SDK would refuse
// each call, and every parameter would count as unreachable.
func checkEndpoint(loaded aws.Config, endpoint string) error {
	o := ssm.NewFromConfig(loaded).Options()
	source := "aws.ssmEndpoint"
	if endpoint == "" {
		endpoint, source = aws.ToString(o.BaseEndpoint), "AWS_ENDPOINT_URL_SSM"
	}
	if endpoint == "" {
		return nil
	}
	for _, variant := range []struct {
		on   bool
		name string
	}{
		{o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled, "AWS_USE_FIPS_ENDPOINT"},
		{o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled, "AWS_USE_DUALSTACK_ENDPOINT"},
	} {
		if variant.on {
			return fmt.Errorf("cannot use %s %q together with %s: the AWS SDK refuses a custom endpoint there; unset one of the two", source, endpoint, variant.name)
		}
	}
	return nil
}

// newSSMClient makes a client of SSM. With a budget, a retry of the SDK takes a
// call from it and is left out where none is to spare.
func newSSMClient(loaded aws.Config, endpoint string, budget *Budget) *ssm.Client {
	return ssm.NewFromConfig(loaded, func(o *ssm.Options) {
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
		if budget != nil {
			o.Retryer = newRetryer(budget)
		}
	})
}

// newRetryer tries once more, and soon: an admission has 300 ms.
func newRetryer(budget *Budget) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 2
		o.MaxBackoff = 50 * time.Millisecond
		o.RateLimiter = spare{budget}
		// The first that knows an error decides. Against throttling, asking
		// again at once is the wrong answer.
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(neverThrottled)}, o.Retryables...)
	})
}

func neverThrottled(err error) aws.Ternary {
	var api smithy.APIError
	if errors.As(err, &api) && isThrottleCode(api.ErrorCode()) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// spare lends the SDK what the budget has to spare for its retries: all of them
// together count as one namespace does, whose name is empty.
type spare struct{ budget *Budget }

var errNoneToSpare = errors.New("envgraft's budget of SSM calls has none to spare for a retry")

// GetToken is asked before each retry; a retry costs one call, whatever the
// SDK's own price of it.
func (s spare) GetToken(context.Context, uint) (func() error, error) {
	if s.budget.take("") != inFlight {
		return nil, errNoneToSpare
	}
	return func() error { return nil }, nil
}

// AddTokens is what the SDK pays for calls that went well.
func (spare) AddTokens(uint) error { return nil }

// namedCredentials marks errors as those of credentials: in the SDK's own
// chain of errors they look like any failed call.
type namedCredentials struct {
	aws.CredentialsProvider

	role string // that is assumed; empty for the webhook's own credentials
}

func (n namedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := n.CredentialsProvider.Retrieve(ctx)
	if err == nil {
		return credentials, nil
	}
	// A role is not to blame for the want of those that assume it.
	if own, ok := errors.AsType[*credentialsError](err); ok {
		return aws.Credentials{}, own
	}
	return aws.Credentials{}, &credentialsError{err, n.role}
}

type credentialsError struct {
	err  error
	role string
}

func (e *credentialsError) Error() string { return "cannot get AWS credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }
