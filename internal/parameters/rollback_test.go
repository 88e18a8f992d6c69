package parameters_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/envgraft/envgraft/internal/parameters"
)

const rolled = "/popapps/shop/prod/app"

// putVersions puts values one after the other, by a key of the team's own.
func putVersions(t *testing.T, client *ssm.Client, values ...string) {
	t.Helper()
	for _, value := range values {
		_, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{
			Name: aws.String(rolled), Value: &value, Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true), KeyId: aws.String("alias/popapps"),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestHistory(t *testing.T) {
	_, client := start(t)
	for n := range 60 {
		putVersions(t, client, fmt.Sprintf(`{"N":"%d"}`, n))
	}
	versions, err := parameters.History(t.Context(), client, rolled)
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != 60 || versions[0].Number != 60 || versions[59].Number != 1 || versions[0].By == "" || versions[0].Modified.IsZero() {
		t.Errorf("%d versions, the first %+v: want 60 of two pages, the newest first, with time and author", len(versions), versions[0])
	}
	if _, err := parameters.History(t.Context(), client, "/popapps/other/prod/app"); err == nil || !strings.Contains(err.Error(), "/popapps/other/prod/app") {
		t.Errorf("the error of a parameter that does not exist is %v, want one that names it", err)
	}
}

func TestRollback(t *testing.T) {
	fake, client := start(t)
	putVersions(t, client, `{"A":"old","B":"b","C":"c"}`, `{"A":"new","B":"b","D":"d"}`)
	plan, err := parameters.PlanRollback(t.Context(), client, rolled, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := &parameters.Rollback{Path: rolled, From: 2, To: 1, Added: []string{"C"}, Removed: []string{"D"}, Changed: []string{"A"}}
	if diff := cmp.Diff(want, plan, cmpopts.IgnoreUnexported(parameters.Rollback{})); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if calls := fake.CallsFor("PutParameter", rolled); calls != 2 {
		t.Errorf("PutParameter was called %d times, want only the test's two: a plan writes nothing", calls)
	}
	version, err := plan.Do(t.Context(), client)
	if err != nil || version != 3 {
		t.Fatalf("version %d, error %v: want version 3", version, err)
	}
	out, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String(rolled), WithDecryption: aws.Bool(true)})
	if err != nil || *out.Parameter.Value != `{"A":"old","B":"b","C":"c"}` {
		t.Errorf("the value is not that of version 1 (error %v)", err)
	}
	described, err := client.DescribeParameters(t.Context(), &ssm.DescribeParametersInput{})
	if err != nil || aws.ToString(described.Parameters[0].KeyId) != "alias/popapps" {
		t.Errorf("the parameter's key is %v (error %v), want the one that it had", described.Parameters[0].KeyId, err)
	}
}

func TestRollbackRefused(t *testing.T) {
	_, client := start(t)
	putVersions(t, client, `[1]`, `{"A":"1"}`, `{"A":"2"}`)
	for name, test := range map[string]struct {
		reason string
		to     int64
		want   string
	}{
		"Newest":  {"There is nothing to go back to.", 3, "it is the newest"},
		"Missing": {"The message lists what there is.", 9, "versions 1 to 3"},
		"Broken":  {"ESO could not use it.", 1, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parameters.PlanRollback(t.Context(), client, rolled, test.to)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), rolled) {
				t.Errorf("%s The error is %v, want one with %q", test.reason, err, test.want)
			}
		})
	}
	plan, err := parameters.PlanRollback(t.Context(), client, rolled, 2)
	if err != nil {
		t.Fatal(err)
	}
	putVersions(t, client, `{"A":"3"}`)
	if _, err := plan.Do(t.Context(), client); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("the error is %v: a version that nobody compared must not be rolled back", err)
	}
}
