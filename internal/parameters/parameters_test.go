package parameters_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/parameters"
	"github.com/envgraft/envgraft/test/ssmfake"
)

const path = "/popapps/myapp/stage/app"

// secret is in every value; no output may hold it.
const secret = "hunter2"

func start(t *testing.T) (*ssmfake.Fake, *ssm.Client) {
	t.Helper()
	fake := ssmfake.New()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, ssmfake.NewClient(server.URL, func(o *ssm.Options) { o.Retryer = aws.NopRetryer{} })
}

func TestPath(t *testing.T) {
	for name, tc := range map[string]struct{ reason, system, app, environment, want, err string }{
		"Default": {"the path that the webhook will look for", "popapps", "myapp", "stage", path, ""},
		"Upper":   {"pods of such an app would be denied", "popapps", "My_App", "stage", "", `"My_App-config" is no Kubernetes object name`},
		"Slash":   {"a name is one level", "pop apps", "myapp", "stage", "", `level "pop apps"`},
		"AWS":     {"SSM reserves it", "aws-apps", "myapp", "stage", "", `SSM reserves first levels`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parameters.Path(identity.DefaultNames(), tc.system, tc.app, tc.environment)
			if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: got %q, %v; want %q, error with %q", tc.reason, got, err, tc.want, tc.err)
			}
		})
	}
}

func TestInit(t *testing.T) {
	for name, tc := range map[string]struct {
		reason  string
		exists  bool
		fault   ssmfake.Kind
		options parameters.InitOptions
		want    parameters.Action
		err     string
		value   string // afterwards; empty: none
	}{
		"Creates":      {reason: "a placeholder that pods can start with", want: parameters.ActionCreated, value: "{}"},
		"Keeps":        {reason: "secrets are never overwritten", exists: true, want: parameters.ActionExists, value: `{"A":"hunter2"}`},
		"Options":      {reason: "key and tags go along", options: parameters.InitOptions{KeyID: "alias/k", Tags: map[string]string{"team": "pop", "a": "b"}}, want: parameters.ActionCreated, value: "{}"},
		"DryRun":       {reason: "nothing is written", options: parameters.InitOptions{DryRun: true}, want: parameters.ActionWouldCreate},
		"DryRunKeeps":  {reason: "it says what exists", exists: true, options: parameters.InitOptions{DryRun: true}, want: parameters.ActionExists, value: `{"A":"hunter2"}`},
		"Denied":       {reason: "the error names path and cause", fault: ssmfake.Deny, err: `cannot create parameter "/popapps/myapp/stage/app": AccessDeniedException`},
		"DryRunDenied": {reason: "a guess would be worse", fault: ssmfake.Deny, options: parameters.InitOptions{DryRun: true}, err: `cannot look for parameter "/popapps/myapp/stage/app": AccessDeniedException`},
	} {
		t.Run(name, func(t *testing.T) {
			fake, client := start(t)
			if tc.exists {
				fake.Put(path, `{"A":"hunter2"}`)
			}
			if tc.fault != "" {
				fake.Inject(ssmfake.Fault{Kind: tc.fault})
			}
			got, err := parameters.Init(t.Context(), client, path, tc.options)
			if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: got %q, %v; want %q, error with %q", tc.reason, got, err, tc.want, tc.err)
			}
			fake.ClearFaults()
			if diff := cmp.Diff(tc.value, valueOf(client)); diff != "" {
				t.Errorf("%s: the value afterwards, -want, +got:\n%s", tc.reason, diff)
			}
			checkTags(t, client, tc.options.Tags)
		})
	}
}

func valueOf(client *ssm.Client) string {
	out, err := client.GetParameter(context.Background(), &ssm.GetParameterInput{Name: aws.String(path), WithDecryption: aws.Bool(true)})
	if err != nil {
		return ""
	}
	if out.Parameter.Type != types.ParameterTypeSecureString {
		return "a " + string(out.Parameter.Type)
	}
	return *out.Parameter.Value
}

func checkTags(t *testing.T, client *ssm.Client, want map[string]string) {
	t.Helper()
	if want == nil {
		return
	}
	out, err := client.ListTagsForResource(t.Context(), &ssm.ListTagsForResourceInput{
		ResourceType: types.ResourceTypeForTaggingParameter, ResourceId: aws.String(path),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range out.TagList {
		got[*tag.Key] = *tag.Value
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tags: -want, +got:\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	big := func(n int) string {
		frame := len(`{"A":""}`)
		return `{"A":"` + secret + strings.Repeat("x", n-frame-len(secret)) + `"}`
	}
	for name, tc := range map[string]struct {
		reason, value string
		want          []string // severity reason key
		limit, keys   int
	}{
		"Good":       {"nothing to say", `{"DATABASE_URL":"hunter2","API_KEY":"hunter2"}`, nil, 4096, 2},
		"Empty":      {"a placeholder is fine for now", `{}`, []string{"warning Empty "}, 4096, 0},
		"Array":      {"ESO fails on it", `["hunter2"]`, []string{"error NotObject "}, 4096, 0},
		"Text":       {"a password put there as it is", `hunter2`, []string{"error InvalidJSON "}, 4096, 0},
		"Null":       {"no object either", `null`, []string{"error NotObject "}, 4096, 0},
		"Names":      {"no shell takes them", `{"1KEY":"hunter2","app.port":"hunter2"}`, []string{"warning KeyName 1KEY", "warning KeyName app.port"}, 4096, 2},
		"Dangerous":  {"may be meant, is worth a word", `{"PATH":"hunter2","LD_PRELOAD":"hunter2"}`, []string{"warning DangerousKey LD_PRELOAD", "warning DangerousKey PATH"}, 4096, 2},
		"Kinds":      {"what arrives is not what stands there", `{"A":{"x":"hunter2"},"B":[1],"C":1e3,"D":true,"E":null,"F":"hunter2"}`, []string{"warning NotString A", "warning NotString B", "warning NotString C", "warning NotString D", "warning NotString E"}, 4096, 6},
		"Duplicate":  {"one of the two is lost", `{"A":"hunter2","B":{"A":1},"A":"hunter2"}`, []string{"error DuplicateKey A", "warning NotString B"}, 4096, 2},
		"EmptyKey":   {"ESO drops it", `{"":"hunter2","A":"hunter2"}`, []string{"error KeyName "}, 4096, 1},
		"Renamed":    {"the app would look for a name that is not there", "{\"API KEY\":\"hunter2\",\"A\u200b\":\"hunter2\"}", []string{"warning RenamedKey API KEY", "warning RenamedKey A\u200b"}, 4096, 2},
		"NUL":        {"execve takes no such value", `{"A":"hunter2\u0000","B":"hunter2\\u0000","C":{"x":"\u0000"}}`, []string{"error NULCharacter A", "warning NotString C"}, 4096, 3},
		"NearlyFull": {"the next secret may not fit", big(3700), []string{"warning Size "}, 4096, 1},
		"Room":       {"a byte less than nearly full", big(3686), nil, 4096, 1},
		"Advanced":   {"more than standard holds", big(5000), nil, 8192, 1},
		"Full":       {"no tier holds more", big(8192), []string{"warning Size "}, 8192, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, client := start(t)
			put(t, client, tc.value)
			got := parameters.Check(t.Context(), client, path)
			if got.Unchecked != "" {
				t.Fatalf("not checked: %s", got.Unchecked)
			}
			var found []string
			for _, f := range got.Findings {
				found = append(found, fmt.Sprintf("%s %s %s", f.Severity, f.Reason, f.Key))
			}
			if diff := cmp.Diff(tc.want, found); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
			if got.Limit != tc.limit || got.Keys != tc.keys || got.Bytes != len(tc.value) {
				t.Errorf("%s: %d bytes of %d, %d keys; want %d of %d, %d", tc.reason, got.Bytes, got.Limit, got.Keys, len(tc.value), tc.limit, tc.keys)
			}
			checkNoValue(t, got)
		})
	}
}

func put(t *testing.T, client *ssm.Client, value string) {
	t.Helper()
	_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String(path), Value: &value, Type: types.ParameterTypeSecureString, Tier: types.ParameterTierIntelligentTiering,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkNoValue(t *testing.T, got *parameters.Checked) {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secret) {
		t.Errorf("a value is in the findings: %s", text)
	}
	for _, loses := range []string{"--overwrite", "--value '", "delete-parameter"} {
		if strings.Contains(string(text), loses) {
			t.Errorf("who pastes %q may lose keys: %s", loses, text)
		}
	}
}

func TestCheckWithoutValue(t *testing.T) {
	fake, client := start(t)
	if got := parameters.Check(t.Context(), client, path); len(got.Findings) != 1 || got.Findings[0].Reason != parameters.ReasonNotFound || !got.Breaks() {
		t.Errorf("a parameter that does not exist: %+v", got)
	} else {
		checkNoValue(t, got)
	}
	fake.Put(path, `{"A":"hunter2"}`)
	for kind, want := range map[ssmfake.Kind]string{
		ssmfake.Deny:      "AccessDenied: AccessDeniedException",
		ssmfake.Throttle:  "Throttled: ThrottlingException",
		ssmfake.Fail:      "Unreachable: InternalServerError",
		ssmfake.Malformed: "Unreachable: ",
	} {
		fake.Inject(ssmfake.Fault{Kind: kind, Operation: "GetParameter"})
		got := parameters.Check(t.Context(), client, path)
		if !strings.HasPrefix(got.Unchecked, want) || got.Breaks() {
			t.Errorf("%s: %+v, want unchecked with %q and nothing that breaks", kind, got, want)
		}
		fake.ClearFaults()
	}
	fake.Inject(ssmfake.Fault{Kind: ssmfake.Deny, Operation: "DescribeParameters"})
	if got := parameters.Check(t.Context(), client, path); got.Unchecked != "" || got.Tier != "" || got.Limit != 4096 {
		t.Errorf("without the right to describe: %+v, want a check by size", got)
	}
}

func TestCheckPlainString(t *testing.T) {
	_, client := start(t)
	_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String(path), Value: aws.String(`{"A":"hunter2"}`), Type: types.ParameterTypeString,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := parameters.Check(t.Context(), client, path)
	if len(got.Findings) != 1 || got.Findings[0].Reason != parameters.ReasonNotSecure || !got.Breaks() {
		t.Errorf("a String keeps secrets in plain text: %+v", got)
	}
	checkNoValue(t, got)
}
