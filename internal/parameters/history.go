package parameters

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/envgraft/envgraft/internal/facts"
)

// maxVersions is how many versions SSM keeps of a parameter, see
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html.
const maxVersions = 100

// historyPage is the max number of versions in an answer of GetParameterHistory.
const historyPage = 50

// Historian is what History needs of SSM.
type Historian interface {
	GetParameterHistory(ctx context.Context, in *ssm.GetParameterHistoryInput, options ...func(*ssm.Options)) (*ssm.GetParameterHistoryOutput, error)
}

// Version is one version of a parameter, without its value.
type Version struct {
	Number   int64     `json:"version"`
	Modified time.Time `json:"modified"`
	// By is the ARN of who put it.
	By     string   `json:"by,omitempty"`
	Labels []string `json:"labels,omitempty"`

	// What a new version must have, too.
	keyID    string
	tier     types.ParameterTier
	kind     types.ParameterType
	policies bool
}

// History lists the versions that SSM still has, the newest first. It asks
// without decryption: no value arrives, and KMS is not called.
func History(ctx context.Context, client Historian, path string) ([]Version, error) {
	var versions []Version
	in := &ssm.GetParameterHistoryInput{Name: &path, MaxResults: aws.Int32(historyPage), WithDecryption: aws.Bool(false)}
	for range maxVersions/historyPage + 1 {
		out, err := client.GetParameterHistory(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("cannot list the versions of parameter %q: %s", path, facts.SSMFault(err).Cause)
		}
		for i := range out.Parameters {
			versions = append(versions, versionOf(&out.Parameters[i]))
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	slices.SortFunc(versions, func(a, b Version) int { return int(b.Number - a.Number) })
	return versions, nil
}

func versionOf(p *types.ParameterHistory) Version {
	p.Value = nil // of a parameter that is no SecureString it is the value
	return Version{
		Number: p.Version, Modified: aws.ToTime(p.LastModifiedDate).UTC(), By: aws.ToString(p.LastModifiedUser), Labels: p.Labels,
		keyID: aws.ToString(p.KeyId), tier: p.Tier, kind: p.Type, policies: len(p.Policies) > 0,
	}
}
