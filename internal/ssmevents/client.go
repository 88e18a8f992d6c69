package ssmevents

import (
	"fmt"
	"net/url"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// sessionName is what CloudTrail shows for an assumed role.
const sessionName = "envgraft"

// awsHost is the host of AWS' own endpoints.
var awsHost = regexp.MustCompile(`^sqs\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?$`)

// NewQueue makes the client of a queue by its URL, whose host is its endpoint and
// names its region. role and externalID may be empty.
func NewQueue(loaded aws.Config, queueURL, role, externalID string) (*sqs.Client, error) {
	parsed, err := url.Parse(queueURL)
	if err != nil {
		return nil, fmt.Errorf("cannot parse the URL of queue %q: %w", queueURL, err)
	}
	settings := loaded.Copy()
	if match := awsHost.FindStringSubmatch(parsed.Hostname()); match != nil {
		settings.Region = match[1]
	}
	if role != "" {
		provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = sessionName
			if externalID != "" {
				o.ExternalID = aws.String(externalID)
			}
		})
		settings.Credentials = aws.NewCredentialsCache(provider)
	}
	endpoint := (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host}).String()
	return sqs.NewFromConfig(settings, func(o *sqs.Options) { o.BaseEndpoint = aws.String(endpoint) }), nil
}
