package eso

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// shopNamespaces know the namespace shop, as an informer and as the API server do.
type shopNamespaces struct{ calls int }

func (*shopNamespaces) Namespace(_ context.Context, name string) (identity.Namespace, error) {
	return identity.Namespace{Name: name, Labels: map[string]string{api.LabelInject: api.Enabled}}, nil
}

func (n *shopNamespaces) Current(_ context.Context, name string) (identity.Namespace, error) {
	n.calls++
	return identity.Namespace{Name: name, Labels: map[string]string{"team": "shop"}}, nil
}

// oneStore is a cache that has every store alike.
type oneStore struct {
	cache.Cache

	spec storeSpec
}

func (o oneStore) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s := store{ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace, ResourceVersion: "1"}, Spec: o.spec}
	switch into := into.(type) {
	case *clusterSecretStore:
		into.store = s
	case *secretStore:
		into.store = s
	}
	return nil
}

// TestForeignParameters has an ExternalSecret of a user's own name a parameter,
// and nobody asks for what the user's namespace may not have.
func TestForeignParameters(t *testing.T) {
	const own, payments = "/shop/cart/stage/app", "/payments/api/stage/app"
	cluster := externalsecret.StoreRef{Kind: graft.KindClusterSecretStore, Name: "aws-ssm"}
	bound := externalsecret.StoreRef{Kind: graft.KindClusterSecretStore, Name: "payments"}
	namespaced := externalsecret.StoreRef{Kind: graft.KindSecretStore, Name: "mine"}
	closed := externalsecret.StoreConditions{{Namespaces: []string{"payments"}}}
	byTeam := func(team string) externalsecret.StoreConditions {
		return externalsecret.StoreConditions{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": team}}}}
	}
	for name, tc := range map[string]struct {
		reason, parameter string
		ref               externalsecret.StoreRef
		conditions        externalsecret.StoreConditions
		prefix            string
		want              string // part of why nobody asks; empty where the parameter is asked for
	}{
		"Own":           {"what the namespace may have is asked for", own, cluster, nil, "", ""},
		"OtherSystem":   {"another team's parameter is not", payments, cluster, nil, "", `parameter "/payments/api/stage/app" was not asked for: parameter "/payments/api/stage/app" is out of reach`},
		"OtherEnv":      {"nor one of another environment", "/shop/cart/prod/app", cluster, nil, "", "is out of reach"},
		"BoundStore":    {"nor through a store that is bound to another namespace", own, bound, nil, "", "store ClusterSecretStore/payments is for the namespaces"},
		"Conditions":    {"nor through one that ESO does not open to the namespace", own, cluster, closed, "", "is not open to namespace"},
		"Labels":        {"conditions by labels are those of all labels", own, cluster, byTeam("shop"), "", ""},
		"OtherLabels":   {"which may be another's", own, cluster, byTeam("payments"), "", "is not open to namespace"},
		"Prefix":        {"an administrator's prefix is trusted", own, cluster, nil, "/team", ""},
		"ForgedPrefix":  {"the prefix of a store that people of the namespace write is not", "/api/stage/app", namespaced, nil, "/payments", "is out of reach"},
		"PrefixForward": {"even before a name that they may have", own, namespaced, nil, "/payments", "is out of reach"},
		"NoName":        {"what is no parameter's name is not asked for", "payments-api", cluster, nil, "", "is out of reach"},
	} {
		t.Run(name, func(t *testing.T) {
			engine := graft.New(graft.Config{
				Rules:      identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()},
				StoreRules: []graft.StoreRule{{Store: graft.Store{Kind: graft.KindClusterSecretStore, Name: "payments"}, Namespaces: []string{"payments"}}},
			})
			namespaces := &shopNamespaces{}
			x := &ExternalSecrets{permits: newPermits(Tenancy{Namespaces: namespaces, Decider: engine}), stores: facts.Stores{}}
			i := &Installation{
				stores: map[string]bool{graft.KindClusterSecretStore: true, graft.KindSecretStore: true},
				cache: oneStore{spec: storeSpec{
					Conditions: tc.conditions, Provider: facts.StoreProvider{AWS: &facts.AWSProvider{Service: "ParameterStore", Prefix: tc.prefix}},
				}},
			}
			e := &externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "foreign"}}
			e.Spec.SecretStoreRef = tc.ref
			e.Spec.DataFrom = []externalsecret.DataFrom{{Extract: &externalsecret.Extract{Key: tc.parameter}}}
			for range 3 { // the answer is the same from memory
				keys := x.foreign(t.Context(), i, e, externalsecret.Wants{Parameter: own, Secret: "cart-secrets"})
				ask, asks := keys.(facts.Ask)
				if tc.want == "" && (!asks || ask.Parameter != tc.prefix+tc.parameter) {
					t.Errorf("%s: got %+v", tc.reason, keys)
				}
				not, refused := keys.(facts.NotChecked)
				if tc.want != "" && (!refused || !strings.Contains(not.Cause, tc.want)) {
					t.Errorf("%s: got %+v, want %q", tc.reason, keys, tc.want)
				}
			}
			if namespaces.calls > 1 {
				t.Errorf("the API server was asked %d times for one namespace", namespaces.calls)
			}
		})
	}
}
