package facts

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/test/ssmfake"
)

const (
	otherAccount = "222222222222"
	otherRegion  = "us-east-1"
	otherRole    = "arn:aws:iam::222222222222:role/envgraft-keys"
	deafRole     = "arn:aws:iam::222222222222:role/trusts-nobody"
)

// startCloud serves a Cloud in which each account and region has another
// parameter of the same path, whose key names the place.
func startCloud(t *testing.T) (*ssmfake.Cloud, *SSMClients) {
	t.Helper()
	isolateAWS(t)
	haveCredentials(t)
	cloud := ssmfake.NewCloud()
	for _, account := range []string{ssmfake.Account, otherAccount} {
		for _, region := range []string{ssmfake.Region, otherRegion} {
			cloud.Store(account, region).Put(path, fmt.Sprintf(`{"%s.%s":"hunter2"}`, account, region))
		}
	}
	cloud.Trust(otherRole, "x1")
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_SSM", server.URL)
	t.Setenv("AWS_ENDPOINT_URL_STS", server.URL)
	clients, err := NewSSMClients(t.Context(), config.AWS{Region: ssmfake.Region}, NewBudget(1000, 1000))
	if err != nil {
		t.Fatal(err)
	}
	return cloud, clients
}

func TestSSMAccess(t *testing.T) {
	for name, tc := range map[string]struct {
		access Access
		want   graft.Parameter
	}{
		"Home":   {Access{}, placeKeys(ssmfake.Account, ssmfake.Region)},
		"Region": {Access{Region: otherRegion}, placeKeys(ssmfake.Account, otherRegion)},
		"Role":   {Access{Role: otherRole, ExternalID: "x1"}, placeKeys(otherAccount, ssmfake.Region)},
		"Both":   {Access{Region: otherRegion, Role: otherRole, ExternalID: "x1"}, placeKeys(otherAccount, otherRegion)},
		"WithoutExternalID": {Access{Role: otherRole}, graft.Parameter{State: graft.ParameterAccessDenied, Cause: `cannot assume role "` + otherRole + `": ` +
			"AccessDenied: User: arn:aws:iam::000000000000:user/fake is not authorized to perform: sts:AssumeRole on resource: " + otherRole}},
		"NotTrusted": {Access{Role: deafRole}, graft.Parameter{State: graft.ParameterAccessDenied, Cause: `cannot assume role "` + deafRole + `": ` +
			"AccessDenied: User: arn:aws:iam::000000000000:user/fake is not authorized to perform: sts:AssumeRole on resource: " + deafRole}},
	} {
		t.Run(name, func(t *testing.T) {
			_, clients := startCloud(t)
			cache := NewCache(NewSSM(clients, metrics.New(prometheus.NewRegistry())), metrics.New(prometheus.NewRegistry()), CacheOptions{})
			question := ask(path)
			// The home parameter of the same path is known: it must not answer.
			cache.Parameter(t.Context(), question)
			question.Access = tc.access
			got := cache.Parameter(t.Context(), question)
			if diff := cmp.Diff(tc.want, got.Parameter, cmpopts.IgnoreFields(graft.Parameter{}, "Modified")); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if strings.Contains(fmt.Sprint(got), "hunter2") {
				t.Errorf("the result shows a secret: %+v", got)
			}
		})
	}
}

func placeKeys(account, region string) graft.Parameter {
	return graft.Parameter{State: graft.ParameterFound, Keys: []string{account + "." + region}, Version: 1}
}

func TestSSMClientsAreMadeOnce(t *testing.T) {
	cloud, clients := startCloud(t)
	source := NewSSM(clients, metrics.New(prometheus.NewRegistry()))
	access := Access{Role: otherRole, ExternalID: "x1"}
	for n := range 20 {
		source.Read(t.Context(), Key{Name: fmt.Sprintf("/shop/app%d/stage/app", n), Access: access})
	}
	if n := cloud.Assumed(otherRole); n != 1 {
		t.Errorf("20 parameters cost %d calls of STS, want 1", n)
	}
	for n := range 10 * maxClients {
		clients.client(Access{Role: fmt.Sprintf("arn:aws:iam::222222222222:role/n%d", n)})
	}
	if n := clients.byAccess.Len(); n > maxClients {
		t.Errorf("%d clients are held, want %d at most", n, maxClients)
	}
}

// TestSSMRoleWithoutCredentials: the role is not to blame.
func TestSSMRoleWithoutCredentials(t *testing.T) {
	startCloud(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	clients, err := NewSSMClients(t.Context(), config.AWS{Region: ssmfake.Region}, NewBudget(1000, 1000))
	if err != nil {
		t.Fatal(err)
	}
	p := NewSSM(clients, metrics.New(prometheus.NewRegistry())).Read(t.Context(), Key{Name: path, Access: Access{Role: otherRole}})
	if p.State != graft.ParameterUnreachable || !strings.HasPrefix(p.Cause, "no AWS credentials: give the webhook's ServiceAccount a role") {
		t.Errorf("got %+v", p)
	}
}
