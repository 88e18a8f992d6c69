package facts

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/test/ssmfake"
)

func TestVersions(t *testing.T) {
	cloud, clients := startCloud(t)
	home := cloud.Store(ssmfake.Account, ssmfake.Region)
	home.Put(path, `{"A":"hunter2"}`)
	versions := NewVersions(clients, metrics.New(prometheus.NewRegistry()), 1000)
	away, missing, deaf := ask(path), ask("/shop/gone/stage/app"), ask(path)
	away.Access = Access{Role: otherRole, ExternalID: "x1"}
	deaf.Access = Access{Role: deafRole}
	var keys []Key
	for _, q := range []Question{away, missing, deaf, ask(path), ask(path)} {
		keys = append(keys, versions.KeyOf(q))
	}
	got := versions.Read(t.Context(), keys)
	want := map[Key]Version{
		versions.KeyOf(ask(path)): {State: graft.ParameterFound, Number: 2},
		versions.KeyOf(away):      {State: graft.ParameterFound, Number: 1},
		versions.KeyOf(missing):   {State: graft.ParameterNotFound},
		versions.KeyOf(deaf):      {State: graft.ParameterAccessDenied},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Version{}, "Modified", "Cause")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got[versions.KeyOf(ask(path))].Modified.IsZero() || !strings.Contains(got[versions.KeyOf(deaf)].Cause, deafRole) {
		t.Errorf("it lacks a time, or why it was refused: %+v", got)
	}
	if calls, decrypted := home.Calls("GetParameters"), home.Calls("GetParameter"); calls != 1 || decrypted != 0 {
		t.Errorf("%d calls, and %d that decrypt; want 1 and none", calls, decrypted)
	}
	if strings.Contains(fmt.Sprint(got), "hunter2") {
		t.Errorf("the result shows a value: %+v", got)
	}
}

func TestVersionsFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		fault  ssmfake.Fault
		want   map[graft.ParameterState]int
		calls  int
	}{
		"Well": {"ten a call", ssmfake.Fault{}, map[graft.ParameterState]int{graft.ParameterFound: 25}, 3},
		"Denied": {
			"the right is missing: after two batches, name by name, asking on would not help",
			ssmfake.Fault{Kind: ssmfake.Deny},
			map[graft.ParameterState]int{graft.ParameterAccessDenied: 25},
			22,
		},
		"OneDenied": {
			"a policy by path refuses the whole batch, which is asked for name by name",
			ssmfake.Fault{Kind: ssmfake.Deny, Path: "/shop/app11/stage/app"},
			map[graft.ParameterState]int{graft.ParameterFound: 24, graft.ParameterAccessDenied: 1},
			13,
		},
		"FirstDenied": {
			"the first name ends the round for nobody",
			ssmfake.Fault{Kind: ssmfake.Deny, Path: "/shop/app00/stage/app"},
			map[graft.ParameterState]int{graft.ParameterFound: 24, graft.ParameterAccessDenied: 1},
			13,
		},
		"BatchDenied": {
			"nor do ten of them",
			ssmfake.Fault{Kind: ssmfake.Deny, Path: "/shop/app0*"},
			map[graft.ParameterState]int{graft.ParameterFound: 15, graft.ParameterAccessDenied: 10},
			13,
		},
		"Throttled": {"SSM has enough", ssmfake.Fault{Kind: ssmfake.Throttle}, map[graft.ParameterState]int{graft.ParameterThrottled: 25}, 1},
		"Failing": {
			"one batch fails, with the SDK's second try, and the next goes on",
			ssmfake.Fault{Kind: ssmfake.Fail, Path: "/shop/app10/*"},
			map[graft.ParameterState]int{graft.ParameterFound: 15, graft.ParameterUnreachable: 10},
			4,
		},
		"Down": {
			"after two batches, each tried twice, SSM does not answer",
			ssmfake.Fault{Kind: ssmfake.Fail},
			map[graft.ParameterState]int{graft.ParameterUnreachable: 25},
			4,
		},
	} {
		t.Run(name, func(t *testing.T) {
			isolateAWS(t)
			haveCredentials(t)
			fake := ssmfake.New()
			server := httptest.NewServer(fake)
			t.Cleanup(server.Close)
			var keys []Key
			for n := range 25 {
				name := fmt.Sprintf("/shop/app%02d/stage/app", n)
				fake.Put(name, `{}`)
				keys = append(keys, Key{Name: name})
			}
			if tc.fault.Kind != "" {
				fake.Inject(tc.fault)
			}
			versions := NewVersions(clientsOf(t, server.URL, NewBudget(1000, 1000)), metrics.New(prometheus.NewRegistry()), 1000)
			got := map[graft.ParameterState]int{}
			for _, version := range versions.Read(t.Context(), keys) {
				got[version.State]++
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
			if calls := fake.Calls("GetParameters"); calls != tc.calls {
				t.Errorf("%s: %d calls, want %d", tc.reason, calls, tc.calls)
			}
		})
	}
}

// plain answers with values in clear, as SSM does for what is no SecureString.
type plain struct{ out *ssm.GetParametersOutput }

func (p *plain) GetParameters(_ context.Context, in *ssm.GetParametersInput, _ ...func(*ssm.Options)) (*ssm.GetParametersOutput, error) {
	if in.WithDecryption != nil && *in.WithDecryption {
		return nil, fmt.Errorf("it asked for decryption")
	}
	p.out = &ssm.GetParametersOutput{}
	for _, name := range in.Names {
		value := "hunter2"
		p.out.Parameters = append(p.out.Parameters, types.Parameter{Name: &name, Value: &value, Version: 3})
	}
	return p.out, nil
}

func TestVersionsDropValues(t *testing.T) {
	client := &plain{}
	versions := NewVersions(nil, metrics.New(prometheus.NewRegistry()), 1000)
	versions.client = func(Access) VersionClient { return client }
	if got := versions.Read(t.Context(), []Key{{Name: path}}); got[Key{Name: path}].Number != 3 {
		t.Errorf("got %+v", got)
	}
	if client.out.Parameters[0].Value != nil {
		t.Error("the value is still held")
	}
}

// TestVersionsInvalidNames has names that SSM takes no call for among others.
func TestVersionsInvalidNames(t *testing.T) {
	client := &plain{}
	versions := NewVersions(nil, metrics.New(prometheus.NewRegistry()), 1000)
	versions.client = func(Access) VersionClient { return client }
	bad := []Key{{Name: ""}, {Name: "/a b/c"}, {Name: "/shop/../x"}, {Name: "/" + strings.Repeat("x", 5000)}, {Name: "arn:aws:ssm:eu-central-1:1:parameter/x"}}
	got := versions.Read(t.Context(), append(bad, Key{Name: path}))
	if got[Key{Name: path}].State != graft.ParameterFound || len(client.out.Parameters) != 1 {
		t.Errorf("beside invalid names %s is %+v, by a call for %d names", path, got[Key{Name: path}], len(client.out.Parameters))
	}
	for _, key := range bad {
		if got[key].State != graft.ParameterNotFound || got[key].Cause == "" {
			t.Errorf("%.50q is %+v", key.Name, got[key])
		}
	}
}

// TestInterleave has one namespace with many keys leave each batch to others, too.
func TestInterleave(t *testing.T) {
	byNamespace := map[string][]Key{}
	for n := range 100 {
		byNamespace["greedy"] = append(byNamespace["greedy"], Key{Name: fmt.Sprintf("/greedy/%d", n)})
	}
	for n := range 9 {
		byNamespace[fmt.Sprint("ns", n)] = []Key{{Name: fmt.Sprintf("/ns%d/a", n)}, {Name: fmt.Sprintf("/ns%d/b", n)}}
	}
	all := Interleave(byNamespace)
	if len(all) != 118 || len(unique(slices.Clone(all))) != 118 {
		t.Fatalf("%d keys, want all 118 once", len(all))
	}
	for start := 0; start < 20; start += 10 {
		greedy := 0
		for _, key := range all[start : start+10] {
			if strings.HasPrefix(key.Name, "/greedy/") {
				greedy++
			}
		}
		if greedy != 1 {
			t.Errorf("of keys %d to %d one namespace has %d, want 1", start, start+9, greedy)
		}
	}
}

func TestVersionsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		versions := NewVersions(nil, metrics.New(prometheus.NewRegistry()), 2)
		versions.client = func(Access) VersionClient { return &plain{} }
		var keys []Key
		for n := range 1000 {
			keys = append(keys, Key{Name: fmt.Sprintf("/shop/app%d/stage/app", n)})
		}
		start := time.Now()
		if got := versions.Read(t.Context(), keys); len(got) != 1000 || time.Since(start) != 49500*time.Millisecond {
			t.Errorf("%d versions in %s, want 1,000 by 100 calls at 2 a second", len(got), time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if got := versions.Read(ctx, keys); len(got) != 200 {
			t.Errorf("%d versions within 10 s, want 200", len(got))
		}
	})
}
