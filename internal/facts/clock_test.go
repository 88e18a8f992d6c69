package facts

import (
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
)

// TestClockFault tells a wrong clock from wrong credentials: AWS uses the same
// codes for both.
func TestClockFault(t *testing.T) {
	const synchronize = ": synchronize it, AWS accepts 5 minutes"
	for name, tc := range map[string]struct {
		reason, code, message string
		state                 graft.ParameterState
		cause                 string
	}{
		"Slow": {
			"the signature is older than AWS accepts", "InvalidSignatureException",
			"Signature expired: 20261128T160000Z is now earlier than 20261128T162500Z (20261128T163000Z - 5 min.)",
			graft.ParameterUnreachable, "the clock of the node is 30m0s slow" + synchronize,
		},
		"Fast": {
			"the signature is of the future", "SignatureDoesNotMatch",
			"Signature not yet current: 20261128T170000Z is still later than 20261128T163500Z (20261128T163000Z + 5 min.)",
			graft.ParameterUnreachable, "the clock of the node is 30m0s fast" + synchronize,
		},
		"Expired":  {"STS and EC2 have a code of its own", "RequestExpired", "Request has expired.", graft.ParameterUnreachable, "the clock of the node is wrong" + synchronize},
		"Skewed":   {"so does S3", "RequestTimeTooSkewed", "", graft.ParameterUnreachable, "the clock of the node is wrong" + synchronize},
		"NoTimes":  {"a wording without times", "InvalidSignatureException", "Signature expired: x", graft.ParameterUnreachable, "the clock of the node is wrong" + synchronize},
		"WrongKey": {"the key itself is wrong", "InvalidSignatureException", "The request signature we calculated does not match", graft.ParameterAccessDenied, "InvalidSignatureException: AWS does not accept the webhook's credentials"},
		"Token":    {"a token of a role that has run out", "ExpiredTokenException", "The security token included in the request is expired", graft.ParameterAccessDenied, "ExpiredTokenException: AWS does not accept the webhook's credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			got := SSMFault(&smithy.GenericAPIError{Code: tc.code, Message: tc.message})
			if got.State != tc.state || got.Cause != tc.cause {
				t.Errorf("%s: got %s, %q, want %s, %q", tc.reason, got.State, got.Cause, tc.state, tc.cause)
			}
		})
	}
}

// TestEndpointVariants refuses at start what the SDK would refuse at each call.
func TestEndpointVariants(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, endpoint string
		variables        []string
		want             string
	}{
		"FIPSAlone":     {"the SDK finds the endpoint", "", []string{"AWS_USE_FIPS_ENDPOINT"}, ""},
		"EndpointAlone": {"as of a VPC endpoint", "https://ssm.example", nil, ""},
		"FIPS":          {"both name an endpoint", "https://ssm.example", []string{"AWS_USE_FIPS_ENDPOINT"}, `cannot use aws.ssmEndpoint "https://ssm.example" together with AWS_USE_FIPS_ENDPOINT`},
		"DualStack":     {"likewise", "https://ssm.example", []string{"AWS_USE_DUALSTACK_ENDPOINT"}, "AWS_USE_DUALSTACK_ENDPOINT"},
		"Environment":   {"the variable counts as the field does", "", []string{"AWS_USE_FIPS_ENDPOINT", "AWS_ENDPOINT_URL_SSM=https://ssm.example"}, "cannot use AWS_ENDPOINT_URL_SSM"},
	} {
		t.Run(name, func(t *testing.T) {
			isolateAWS(t)
			for _, variable := range tc.variables {
				name, value, given := strings.Cut(variable, "=")
				if !given {
					value = "true"
				}
				t.Setenv(name, value)
			}
			_, err := NewSSMClient(t.Context(), config.AWS{Region: "eu-central-1", SSMEndpoint: tc.endpoint})
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}
