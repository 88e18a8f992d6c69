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
	"golang.org/x/time/rate"

	"github.com/envgraft/envgraft/internal/config"
)

// NewSSMClient returns a client of SSM by the standard chain of AWS settings
// and credentials; what c sets goes before the environment (AWS_REGION,
// AWS_ENDPOINT_URL_SSM). With a budget, a retry of the SDK takes a call from it
// and is left out where none is to spare; without, the SDK's defaults hold.
func NewSSMClient(ctx context.Context, c config.AWS, budget *rate.Limiter) (*ssm.Client, error) {
	var options []func(*awsconfig.LoadOptions) error
	if c.Region != "" {
		options = append(options, awsconfig.WithRegion(c.Region))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("cannot load AWS settings: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("cannot tell the AWS region: set aws.region in the configuration file, or AWS_REGION in the environment")
	}
	if loaded.Credentials != nil {
		loaded.Credentials = namedCredentials{loaded.Credentials}
	}
	return ssm.NewFromConfig(loaded, func(o *ssm.Options) {
		if c.SSMEndpoint != "" {
			o.BaseEndpoint = aws.String(c.SSMEndpoint)
		}
		if budget != nil {
			o.Retryer = newRetryer(budget)
		}
	}), nil
}

// newRetryer tries once more, and soon: an admission has 300 ms.
func newRetryer(budget *rate.Limiter) aws.Retryer {
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

// spare lends the SDK what the budget has to spare for its retries.
type spare struct{ budget *rate.Limiter }

var errNoneToSpare = errors.New("envgraft's budget of SSM calls has none to spare for a retry")

// GetToken is asked before each retry; a retry costs one call, whatever the
// SDK's own price of it.
func (s spare) GetToken(context.Context, uint) (func() error, error) {
	if !s.budget.Allow() {
		return nil, errNoneToSpare
	}
	return func() error { return nil }, nil
}

// AddTokens is what the SDK pays for calls that went well.
func (spare) AddTokens(uint) error { return nil }

// namedCredentials marks errors as those of credentials: in the SDK's own
// chain of errors they look like any failed call.
type namedCredentials struct{ aws.CredentialsProvider }

func (n namedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	credentials, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsError{err}
	}
	return credentials, nil
}

type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "cannot get AWS credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }
