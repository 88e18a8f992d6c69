package ssmfake_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/test/ssmfake"
)

const path = "/popapps/myapp/stage/app"

// start serves a fake and returns it with the real SDK's client, which does not
// back off between its retries: tests have no time for that.
func start(t *testing.T) (*ssmfake.Fake, *ssm.Client) {
	t.Helper()
	fake := ssmfake.New()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, ssmfake.NewClient(server.URL, func(o *ssm.Options) {
		o.Retryer = noBackoff{o.Retryer}
	})
}

type noBackoff struct{ aws.Retryer }

func (noBackoff) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

func put(value string, change ...func(*ssm.PutParameterInput)) *ssm.PutParameterInput {
	in := &ssm.PutParameterInput{Name: aws.String(path), Value: aws.String(value), Type: types.ParameterTypeSecureString}
	for _, c := range change {
		c(in)
	}
	return in
}

func overwrite(in *ssm.PutParameterInput) { in.Overwrite = aws.Bool(true); in.Type = "" }

func get(client *ssm.Client, name string, decrypt bool) (*types.Parameter, error) {
	out, err := client.GetParameter(context.Background(), &ssm.GetParameterInput{Name: &name, WithDecryption: &decrypt})
	if err != nil {
		return nil, err
	}
	return out.Parameter, nil
}

func TestVersions(t *testing.T) {
	_, client := start(t)
	ctx := context.Background()
	before := time.Now().Add(-time.Second)
	for i, in := range []*ssm.PutParameterInput{put(`{"A":"1"}`), put(`{"A":"2"}`, overwrite)} {
		out, err := client.PutParameter(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if out.Version != int64(i+1) {
			t.Errorf("PutParameter: version %d, want %d", out.Version, i+1)
		}
	}
	for name, want := range map[string]string{path: `{"A":"2"}`, path + ":1": `{"A":"1"}`, path + ":2": `{"A":"2"}`} {
		p, err := get(client, name, true)
		if err != nil {
			t.Fatalf("GetParameter(%q): %v", name, err)
		}
		if *p.Value != want || p.Type != types.ParameterTypeSecureString || *p.Name != path {
			t.Errorf("GetParameter(%q) = %s %s %s, want %s", name, *p.Name, p.Type, *p.Value, want)
		}
		if p.LastModifiedDate.Before(before) || p.LastModifiedDate.After(time.Now().Add(time.Second)) {
			t.Errorf("GetParameter(%q): modified %s, want about now", name, p.LastModifiedDate)
		}
	}
	p, err := get(client, path, false)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(*p.Value, "A") && strings.Contains(*p.Value, "{") {
		t.Errorf("GetParameter without decryption returned plain text: %s", *p.Value)
	}
}

func TestRefusals(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	named := func(name string) func(*ssm.PutParameterInput) {
		return func(in *ssm.PutParameterInput) { in.Name = aws.String(name) }
	}
	cases := map[string]struct {
		reason string
		in     *ssm.PutParameterInput
		want   string // error code; empty for success
	}{
		"Exists":            {"init must never overwrite", put("{}"), "ParameterAlreadyExists"},
		"Overwrite":         {"rotation", put("{}", overwrite), ""},
		"OverwriteWithTags": {"SSM takes tags at creation only", put("{}", overwrite, func(in *ssm.PutParameterInput) { in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}} }), "ValidationException"},
		"StandardLimit":     {"4 KiB just fit", put(long(4096), overwrite), ""},
		"OverStandard":      {"4 KiB and a byte need the advanced tier", put(long(4097), overwrite), "ValidationException"},
		"AdvancedLimit":     {"8 KiB just fit", put(long(8192), named("/a/advanced"), func(in *ssm.PutParameterInput) { in.Tier = types.ParameterTierAdvanced }), ""},
		"OverAdvanced":      {"nothing holds more", put(long(8193), named("/a/over"), func(in *ssm.PutParameterInput) { in.Tier = types.ParameterTierAdvanced }), "ValidationException"},
		"Intelligent":       {"the service picks the tier", put(long(5000), named("/a/smart"), func(in *ssm.PutParameterInput) { in.Tier = types.ParameterTierIntelligentTiering }), ""},
		"Empty":             {"no empty values", put("", named("/a/empty")), "ValidationException"},
		"NoType":            {"a new parameter needs a type", put("{}", named("/a/typeless"), func(in *ssm.PutParameterInput) { in.Type = "" }), "ValidationException"},
		"ReservedName":      {"aws is reserved", put("{}", named("/AWSome/x")), "ValidationException"},
		"RelativeName":      {"a path starts with a slash", put("{}", named("a/b")), "ValidationException"},
		"BadName":           {"no spaces", put("{}", named("/a b")), "ValidationException"},
		"TooDeep":           {"15 levels at most", put("{}", named(strings.Repeat("/a", 16))), "HierarchyLevelLimitExceededException"},
		"KeyOnString":       {"only a SecureString has a key", put("{}", named("/a/plain"), func(in *ssm.PutParameterInput) { in.Type = types.ParameterTypeString; in.KeyId = aws.String("k") }), "ValidationException"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake, client := start(t)
			fake.Put(path, "{}")
			_, err := client.PutParameter(context.Background(), tc.in)
			if got := codeOf(err); got != tc.want {
				t.Errorf("%s: PutParameter = %q (%v), want %q", tc.reason, got, err, tc.want)
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	fake, client := start(t)
	fake.Put(path, "{}")
	_, err := get(client, "/popapps/other/stage/app", true)
	if _, ok := errors.AsType[*types.ParameterNotFound](err); !ok {
		t.Errorf("GetParameter of a missing name: %v, want ParameterNotFound", err)
	}
	_, err = get(client, path+":7", true)
	if _, ok := errors.AsType[*types.ParameterVersionNotFound](err); !ok {
		t.Errorf("GetParameter of a missing version: %v, want ParameterVersionNotFound", err)
	}
	fake.Delete(path)
	if _, err := get(client, path, true); codeOf(err) != "ParameterNotFound" {
		t.Errorf("GetParameter after Delete: %v, want ParameterNotFound", err)
	}
}

func TestFaults(t *testing.T) {
	cases := map[string]struct {
		reason string
		fault  ssmfake.Fault
		want   string
		calls  int
	}{
		"ThrottleTwice":  {"the SDK's third attempt gets through", ssmfake.Fault{Kind: ssmfake.Throttle, Path: path, Times: 2}, "", 3},
		"ThrottleAlways": {"the SDK gives up after three", ssmfake.Fault{Kind: ssmfake.Throttle, Path: path}, "ThrottlingException", 3},
		"Deny":           {"a denial is not retried", ssmfake.Fault{Kind: ssmfake.Deny, Path: "/popapps/*"}, "AccessDeniedException", 1},
		"Reject":         {"credentials are not retried", ssmfake.Fault{Kind: ssmfake.Reject, Path: path}, "UnrecognizedClientException", 1},
		"DropOnce":       {"a lost connection is retried", ssmfake.Fault{Kind: ssmfake.Drop, Times: 1}, "", 2},
		"FailOnce":       {"a 500 is retried", ssmfake.Fault{Kind: ssmfake.Fail, Times: 1}, "", 2},
		"Malformed":      {"half a body is an error", ssmfake.Fault{Kind: ssmfake.Malformed, Path: path, Times: 1}, "other", 1},
		"OtherPath":      {"a fault keeps to its path", ssmfake.Fault{Kind: ssmfake.Deny, Path: "/popapps/other"}, "", 1},
		"OtherOperation": {"a fault keeps to its operation", ssmfake.Fault{Kind: ssmfake.Deny, Operation: "PutParameter"}, "", 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fake, client := start(t)
			fake.Put(path, "{}")
			fake.Inject(tc.fault)
			_, err := get(client, path, true)
			if got := codeOf(err); got != tc.want {
				t.Errorf("%s: GetParameter = %q (%v), want %q", tc.reason, got, err, tc.want)
			}
			if got := fake.CallsFor("GetParameter", path); got != tc.calls {
				t.Errorf("%s: %d calls, want %d", tc.reason, got, tc.calls)
			}
			fake.ClearFaults()
			if _, err := get(client, path, true); err != nil {
				t.Errorf("GetParameter after ClearFaults: %v", err)
			}
		})
	}
}

func TestHangEndsWithTheClient(t *testing.T) {
	fake, client := start(t)
	fake.Put(path, "{}")
	fake.Inject(ssmfake.Fault{Kind: ssmfake.Hang, Path: path, Times: 1})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	name := path
	if _, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GetParameter that hangs: %v, want the deadline", err)
	}
	fake.Inject(ssmfake.Fault{Kind: ssmfake.Hang, Path: path, Times: 1, Delay: time.Millisecond})
	if _, err := get(client, path, true); err != nil {
		t.Errorf("GetParameter that is slow: %v, want an answer", err)
	}
}

func TestListing(t *testing.T) {
	fake, client := start(t)
	var want []string
	for _, name := range []string{"/popapps/a/prod/app", "/popapps/a/stage/app", "/popapps/b/prod/app"} {
		fake.Put(name, "{}")
		want = append(want, name)
	}
	fake.Put("/popapps2/c", "{}")
	var byPath, described []string
	pages := ssm.NewGetParametersByPathPaginator(client, &ssm.GetParametersByPathInput{
		Path: aws.String("/popapps"), Recursive: aws.Bool(true), MaxResults: aws.Int32(2),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Parameters {
			byPath = append(byPath, *p.Name)
		}
	}
	out, err := client.DescribeParameters(context.Background(), &ssm.DescribeParametersInput{ParameterFilters: []types.ParameterStringFilter{
		{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{"/popapps/"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range out.Parameters {
		described = append(described, *p.Name)
	}
	if diff := cmp.Diff(map[string][]string{"byPath": want, "described": want},
		map[string][]string{"byPath": byPath, "described": described}); diff != "" {
		t.Errorf("listings (-want +got):\n%s", diff)
	}
}

func TestTags(t *testing.T) {
	_, client := start(t)
	ctx := context.Background()
	if _, err := client.PutParameter(ctx, put("{}", func(in *ssm.PutParameterInput) {
		in.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("pop")}}
	})); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AddTagsToResource(ctx, &ssm.AddTagsToResourceInput{
		ResourceId: aws.String(path), ResourceType: types.ResourceTypeForTaggingParameter,
		Tags: []types.Tag{{Key: aws.String("env"), Value: aws.String("stage")}},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := client.ListTagsForResource(ctx, &ssm.ListTagsForResourceInput{ResourceId: aws.String(path), ResourceType: types.ResourceTypeForTaggingParameter})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range out.TagList {
		got[*tag.Key] = *tag.Value
	}
	if diff := cmp.Diff(map[string]string{"team": "pop", "env": "stage"}, got); diff != "" {
		t.Errorf("ListTagsForResource (-want +got):\n%s", diff)
	}
}

func TestUnsignedIsRefused(t *testing.T) {
	server := httptest.NewServer(ssmfake.New())
	defer server.Close()
	client := ssmfake.NewClient(server.URL, func(o *ssm.Options) { o.Credentials = aws.AnonymousCredentials{} })
	if _, err := get(client, path, true); codeOf(err) != "MissingAuthenticationTokenException" {
		t.Errorf("GetParameter without credentials: %v, want MissingAuthenticationTokenException", err)
	}
}

func TestAdmin(t *testing.T) {
	fake, client := start(t)
	admin := httptest.NewServer(fake.Admin())
	defer admin.Close()
	post := func(body string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, admin.URL+"/faults", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := admin.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	if got := post(`{"kind":"explode"}`); got != http.StatusBadRequest {
		t.Errorf("POST of an unknown fault: %d, want 400", got)
	}
	if got := post(`{"kind":"deny","path":"` + path + `"}`); got != http.StatusNoContent {
		t.Errorf("POST of a fault: %d, want 204", got)
	}
	if _, err := get(client, path, true); codeOf(err) != "AccessDeniedException" {
		t.Errorf("GetParameter: %v, want AccessDeniedException", err)
	}
	if got := fake.Calls("GetParameter"); got != 1 {
		t.Errorf("Calls = %d, want 1", got)
	}
}

// codeOf is SSM's code of an error, "other" for one that is not SSM's.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if refusal, ok := errors.AsType[smithy.APIError](err); ok {
		return refusal.ErrorCode()
	}
	return "other"
}
