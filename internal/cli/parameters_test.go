package cli_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/test/ssmfake"
)

// startSSM serves a fake to the commands, which find it as they find AWS.
func startSSM(t *testing.T) *ssmfake.Fake {
	t.Helper()
	fake := ssmfake.New()
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_SSM": server.URL, "AWS_REGION": ssmfake.Region, "AWS_ACCESS_KEY_ID": "fake", "AWS_SECRET_ACCESS_KEY": "fake",
		"AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	return fake
}

func TestParametersInit(t *testing.T) {
	fake := startSSM(t)
	fake.Put("/popapps/myapp/prod/app", `{"A":"hunter2"}`)
	args := []string{"parameters", "init", "--system", "popapps", "--app", "myapp", "--environments", "stage,prod", "--tags", "team=pop"}

	want := result{0, "would create  /popapps/myapp/stage/app\nexists        /popapps/myapp/prod/app\n", ""}
	if diff := cmp.Diff(want.String(), run("", append(args, "--dry-run")...).String()); diff != "" {
		t.Errorf("dry run: -want, +got:\n%s", diff)
	}
	if n := fake.Calls("PutParameter"); n != 0 {
		t.Errorf("a dry run made %d calls of PutParameter", n)
	}
	want.stdout = "created       /popapps/myapp/stage/app\nexists        /popapps/myapp/prod/app\n"
	if diff := cmp.Diff(want.String(), run("", args...).String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}

	fake.Inject(ssmfake.Fault{Kind: ssmfake.Deny, Path: "/popapps/myapp/stage/*"})
	got := run("", args...)
	if got.code != 1 || got.stdout != "exists        /popapps/myapp/prod/app\n" || !strings.Contains(got.stderr, `cannot create parameter "/popapps/myapp/stage/app"`) {
		t.Errorf("the others must be made and the failure named: %s", got)
	}
	if got := run("", append(args, "--app", "My_App")...); got.code != 1 || !strings.Contains(got.stderr, "My_App") {
		t.Errorf("an app that no pod could have: %s", got)
	}
}

func TestParametersCheck(t *testing.T) {
	fake := startSSM(t)
	const good, warned, broken, denied = "/a/good/stage/app", "/a/warned/stage/app", "/a/broken/stage/app", "/a/denied/stage/app"
	fake.Put(good, `{"A":"hunter2"}`)
	fake.Put(warned, `{"N":12345}`)
	fake.Put(broken, `["hunter2"]`)
	fake.Inject(ssmfake.Fault{Kind: ssmfake.Deny, Path: denied})

	for name, tc := range map[string]struct {
		reason string
		args   []string
		code   int
		want   string
	}{
		"Good":        {"ok", []string{good}, 0, "/a/good/stage/app: version 1, 1 keys, 15 of 4096 bytes\n  ok\n"},
		"Warned":      {"warnings alone do not fail", []string{warned}, 0, "  warning  NotString  \"N\"  its value is a number"},
		"Strict":      {"but where asked to", []string{warned, "--strict"}, 1, "NotString"},
		"Broken":      {"fails", []string{good, broken}, 1, "  error  NotObject  -  "},
		"NotFound":    {"fails", []string{"/a/none/stage/app"}, 1, "  error  NotFound  -  it does not exist: put a JSON object into a file, and aws ssm put-parameter"},
		"Unchecked":   {"is not the parameter's fault", []string{good, denied}, 3, "/a/denied/stage/app: not checked: AccessDenied: "},
		"Both":        {"what breaks weighs more", []string{denied, broken}, 1, "not checked"},
		"JSON":        {"for machines", []string{good, "-o", "json"}, 0, `"tier": "Standard",`},
		"NoEndpoint":  {"cannot be asked", []string{good, "--ssm-endpoint", "http://127.0.0.1:1"}, 3, "not checked: Unreachable"},
		"OtherRegion": {"the flag goes before the environment", []string{good, "--region", "us-east-1"}, 0, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			got := run("", append([]string{"parameters", "check"}, tc.args...)...)
			if got.code != tc.code || !strings.Contains(got.stdout, tc.want) {
				t.Errorf("%s: want exit code %d and %q, got %s", tc.reason, tc.code, tc.want, got)
			}
			for _, value := range []string{"hunter2", "12345"} {
				if strings.Contains(got.String(), value) {
					t.Errorf("a value was printed: %s", got)
				}
			}
		})
	}
}
