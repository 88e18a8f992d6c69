package facts

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/test/ssmfake"
)

const path = "/popapps/myapp/stage/app"

func ask(path string) Question {
	return Question{Namespace: "shop", Parameter: path, Secret: "myapp-secrets"}
}

// isolateAWS keeps the machine's own AWS settings out of a test.
func isolateAWS(t *testing.T) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// startSSM serves a fake and returns a source that asks it through the real
// SDK, set up as the webhook does it.
func startSSM(t *testing.T) (*ssmfake.Fake, *SSM, *metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	isolateAWS(t)
	haveCredentials(t)
	fake := ssmfake.New()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	reg := prometheus.NewRegistry()
	m := metrics.New(reg)
	return fake, NewSSM(clientsOf(t, server.URL, NewBudget(1000, 1000)), m), m, reg
}

func haveCredentials(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDfake")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t-of-the-webhook")
}

// clientsOf returns clients of the SSM at an endpoint.
func clientsOf(t *testing.T, endpoint string, budget *Budget) *SSMClients {
	t.Helper()
	clients, err := NewSSMClients(t.Context(), config.AWS{Region: ssmfake.Region, SSMEndpoint: endpoint}, budget)
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

func TestSSM(t *testing.T) {
	const denied = "AccessDeniedException: User: arn:aws:iam::000000000000:user/fake is not authorized to perform: ssm:GetParameter " +
		"on resource: arn:aws:ssm:eu-central-1:000000000000:parameter/popapps/myapp/stage/app because no identity-based policy allows the ssm:GetParameter action"
	for name, tc := range map[string]struct {
		reason string
		value  string
		fault  ssmfake.Kind
		want   graft.Parameter
		calls  int
	}{
		"Found":       {reason: "keys, no values", value: `{"B":"hunter2","A":"hunter2"}`, want: graft.Parameter{State: graft.ParameterFound, Keys: []string{"A", "B"}, Version: 1}, calls: 1},
		"Empty":       {reason: "a placeholder", value: `{}`, want: graft.Parameter{State: graft.ParameterEmpty, Version: 1}, calls: 1},
		"NotFound":    {reason: "nobody created it", want: graft.Parameter{State: graft.ParameterNotFound}, calls: 1},
		"NotObject":   {reason: "ESO would fail", value: `["hunter2"]`, want: graft.Parameter{State: graft.ParameterNotObject, Version: 1, Cause: "it is a JSON array"}, calls: 1},
		"InvalidJSON": {reason: "a bare password", value: `hunter2`, want: graft.Parameter{State: graft.ParameterInvalidJSON, Version: 1, Cause: "at byte 1 of 7"}, calls: 1},
		"Denied":      {reason: "IAM's words say what is missing", value: `{"A":"hunter2"}`, fault: ssmfake.Deny, want: graft.Parameter{State: graft.ParameterAccessDenied, Cause: denied}, calls: 1},
		"Throttled":   {reason: "asking again at once would make it worse", value: `{"A":"hunter2"}`, fault: ssmfake.Throttle, want: graft.Parameter{State: graft.ParameterThrottled, Cause: "ThrottlingException: Rate exceeded"}, calls: 1},
		"Failing":     {reason: "tried once more", value: `{"A":"hunter2"}`, fault: ssmfake.Fail, want: graft.Parameter{State: graft.ParameterUnreachable, Cause: "InternalServerError: An error occurred on the server side."}, calls: 2},
		"Malformed":   {reason: "the decoder's words may hold the value", value: `{"A":"hunter2"}`, fault: ssmfake.Malformed, want: graft.Parameter{State: graft.ParameterUnreachable, Cause: "an answer with HTTP status 200 that cannot be read"}, calls: 1},
		"Hanging":     {reason: "the call is bounded", value: `{"A":"hunter2"}`, fault: ssmfake.Hang, want: graft.Parameter{State: graft.ParameterUnreachable, Cause: "no answer in time"}, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			fake, source, _, reg := startSSM(t)
			if tc.value != "" {
				fake.Put(path, tc.value)
			}
			timeout := 10 * time.Second
			if tc.fault != "" {
				fake.Inject(ssmfake.Fault{Kind: tc.fault})
			}
			if tc.fault == ssmfake.Hang {
				timeout = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			got := source.Read(ctx, source.Key(ask(path)))
			if diff := cmp.Diff(tc.want, got.Parameter, cmpopts.IgnoreFields(graft.Parameter{}, "Modified")); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
			if calls := fake.Calls("GetParameter"); calls != tc.calls {
				t.Errorf("%s: %d calls, want %d", tc.reason, calls, tc.calls)
			}
			if printed := fmt.Sprintf("%+v", got); strings.Contains(printed, "hunter2") || strings.Contains(printed, "AKIDfake") {
				t.Errorf("the result shows a secret: %s", printed)
			}
			if n := countOf(t, reg, "envgraft_ssm_requests_total", "result", string(tc.want.State)); n != 1 {
				t.Errorf("metric counts %v requests with result %s, want 1", n, tc.want.State)
			}
		})
	}
}

// countOf returns the value of the series of a counter that has the label.
func countOf(t *testing.T, reg *prometheus.Registry, name, label, value string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == label && l.GetValue() == value {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	return 0
}

func TestSSMVersion(t *testing.T) {
	fake, source, _, _ := startSSM(t)
	before := time.Now().Add(-time.Second)
	fake.Put(path, `{}`)
	fake.Put(path, `{"A":"1"}`)
	got := source.Read(t.Context(), Key{Name: path})
	if got.Version != 2 {
		t.Errorf("version %d, want 2", got.Version)
	}
	if got.Modified.Before(before) || got.Modified.After(time.Now().Add(time.Second)) {
		t.Errorf("modified %s, want about now", got.Modified)
	}
}

func TestSSMRetryTakesFromBudget(t *testing.T) {
	fake, _, m, _ := startSSM(t)
	server := httptest.NewServer(fake)
	defer server.Close()
	fake.Inject(ssmfake.Fault{Kind: ssmfake.Fail})
	source := NewSSM(clientsOf(t, server.URL, NewBudget(0.001, 1)), m)
	for i, want := range []int{2, 3} {
		if p := source.Read(t.Context(), Key{Name: path}); p.State != graft.ParameterUnreachable || strings.Contains(p.Cause, "budget") {
			t.Errorf("read %d: %+v, want SSM's own error", i+1, p)
		}
		if calls := fake.Calls("GetParameter"); calls != want {
			t.Errorf("read %d: %d calls in all, want %d: the budget has one retry to spare", i+1, calls, want)
		}
	}
}

func TestSSMUnreachable(t *testing.T) {
	isolateAWS(t)
	m := metrics.New(prometheus.NewRegistry())
	server := httptest.NewServer(ssmfake.New())
	endpoint := server.URL
	server.Close() // nobody listens there any more

	budget := NewBudget(1000, 1000)
	p := NewSSM(clientsOf(t, endpoint, budget), m).Read(t.Context(), Key{Name: path})
	if p.State != graft.ParameterUnreachable || !strings.HasPrefix(p.Cause, "no AWS credentials: give the webhook's ServiceAccount a role") {
		t.Errorf("without credentials: %+v, want Unreachable and the fix", p)
	}

	haveCredentials(t)
	p = NewSSM(clientsOf(t, endpoint, budget), m).Read(t.Context(), Key{Name: path})
	if p.State != graft.ParameterUnreachable || !strings.Contains(p.Cause, "connection refused") {
		t.Errorf("without a listener: %+v, want Unreachable, connection refused", p)
	}
}

func TestNewSSMClient(t *testing.T) {
	isolateAWS(t)
	if _, err := NewSSMClient(t.Context(), config.AWS{}); err == nil || !strings.Contains(err.Error(), "set aws.region in the configuration file, or AWS_REGION") {
		t.Errorf("without a region: %v, want an error that says how to set one", err)
	}
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1")
	for name, tc := range map[string]struct {
		config               config.AWS
		region, baseEndpoint string
	}{
		"Environment":   {config.AWS{}, "eu-west-1", "http://127.0.0.1:1"},
		"Configuration": {config.AWS{Region: "us-east-1", SSMEndpoint: "https://vpce"}, "us-east-1", "https://vpce"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := NewSSMClient(t.Context(), tc.config)
			if err != nil {
				t.Fatal(err)
			}
			got := client.Options()
			if got.Region != tc.region || got.BaseEndpoint == nil || *got.BaseEndpoint != tc.baseEndpoint {
				t.Errorf("region %q, endpoint %v, want %q and %q", got.Region, got.BaseEndpoint, tc.region, tc.baseEndpoint)
			}
		})
	}
}

// refusing answers every call with one error.
type refusing struct{ err error }

func (r refusing) GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	return nil, r.err
}

// TestRefusals are those that the fake does not speak.
func TestRefusals(t *testing.T) {
	refusal := func(code, message string) error {
		return &smithy.OperationError{
			ServiceID: "SSM", OperationName: "GetParameter",
			Err: fmt.Errorf("https response error StatusCode: 400, RequestID: 0815: %w", &smithy.GenericAPIError{Code: code, Message: message}),
		}
	}
	for name, tc := range map[string]struct {
		reason string
		err    error
		want   graft.Parameter
	}{
		"KMSDenied": {
			"KMS's refusals come by SSM", refusal("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist,\n or you are not allowed to access."),
			graft.Parameter{State: graft.ParameterAccessDenied, Cause: "AccessDeniedException: The ciphertext refers to a customer master key that does not exist, or you are not allowed to access."},
		},
		"KMSKeyGone":     {"no key, no access", refusal("InvalidKeyId", ""), graft.Parameter{State: graft.ParameterAccessDenied, Cause: "InvalidKeyId"}},
		"KMSKeyDisabled": {"so too", refusal("KMSDisabledException", "key is disabled"), graft.Parameter{State: graft.ParameterAccessDenied, Cause: "KMSDisabledException: key is disabled"}},
		"Signature": {
			"its message quotes the request with its token", refusal("InvalidSignatureException", "The Canonical String should have been x-amz-security-token:IQoJb3JpZ2lu"),
			graft.Parameter{State: graft.ParameterAccessDenied, Cause: "InvalidSignatureException: AWS does not accept the webhook's credentials"},
		},
		"Expired":   {"so may this", refusal("ExpiredTokenException", "IQoJb3JpZ2lu"), graft.Parameter{State: graft.ParameterAccessDenied, Cause: "ExpiredTokenException: AWS does not accept the webhook's credentials"}},
		"Throttled": {"another of its names", refusal("RequestLimitExceeded", ""), graft.Parameter{State: graft.ParameterThrottled, Cause: "RequestLimitExceeded"}},
		"Unknown":   {"a code of the future", refusal("TeapotException", "short and stout"), graft.Parameter{State: graft.ParameterUnreachable, Cause: "TeapotException: short and stout"}},
		"STSDenied": {
			"the role does not trust the webhook", &smithy.OperationError{ServiceID: "SSM", Err: &credentialsError{err: refusal("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")}},
			graft.Parameter{State: graft.ParameterAccessDenied, Cause: "no AWS credentials: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		},
		"Cancelled": {"the server shuts down", fmt.Errorf("canceled, %w", context.Canceled), graft.Parameter{State: graft.ParameterUnreachable, Cause: "the call was cancelled"}},
		"Other":     {"the innermost error says most", fmt.Errorf("a: %w", errors.New("invalid input region")), graft.Parameter{State: graft.ParameterUnreachable, Cause: "invalid input region"}},
	} {
		t.Run(name, func(t *testing.T) {
			source := &SSM{client: func(Access) SSMClient { return refusing{tc.err} }, metrics: metrics.New(prometheus.NewRegistry())}
			got := source.Read(t.Context(), Key{Name: path})
			if diff := cmp.Diff(Parameter{Parameter: tc.want}, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

// TestCacheOverSSM is the whole way once: cache, budget, SDK and wire.
func TestCacheOverSSM(t *testing.T) {
	fake, source, m, reg := startSSM(t)
	fake.Put(path, `{"A":"hunter2"}`)
	cache := NewCache(source, m, CacheOptions{Budget: NewBudget(1, 1)})
	for range 3 {
		got := cache.Parameter(t.Context(), ask(path))
		if diff := cmp.Diff(graft.Parameter{State: graft.ParameterFound, Keys: []string{"A"}, Version: 1}, got.Parameter, cmpopts.IgnoreFields(graft.Parameter{}, "Modified")); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	if calls := fake.Calls("GetParameter"); calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
	want := `# HELP envgraft_parameter_lookups_total What lookups of a parameter's keys were told, by source (ssm, secret, directory, none) and state. AccessDenied, Throttled and Unreachable mean that a pod was admitted without its literals being checked.
# TYPE envgraft_parameter_lookups_total counter
envgraft_parameter_lookups_total{source="ssm",state="Found"} 3
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "envgraft_parameter_lookups_total"); err != nil {
		t.Error(err)
	}
}
