package cmdutil

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/spf13/cobra"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/facts"
)

// AWSTimeout bounds one call, the SDK's retries included: a pipeline should
// fail rather than hang.
const AWSTimeout = 30 * time.Second

// AWSFlags say which SSM is meant.
type AWSFlags struct {
	region   string
	endpoint string
}

// Add adds them.
func (f *AWSFlags) Add(command *cobra.Command) {
	command.Flags().StringVar(&f.region, "region", "", "AWS `region`, over AWS_REGION and the profile's")
	command.Flags().StringVar(&f.endpoint, "ssm-endpoint", "", "`URL` of another SSM, over AWS_ENDPOINT_URL_SSM")
}

// Client returns a client of SSM. It calls nothing yet.
func (f *AWSFlags) Client(ctx context.Context) (*ssm.Client, error) {
	return facts.NewSSMClient(ctx, config.AWS{Region: f.region, SSMEndpoint: f.endpoint})
}
