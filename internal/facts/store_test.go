package facts

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/graft"
)

func TestStoresReach(t *testing.T) {
	const role = "arn:aws:iam::222222222222:role/envgraft-keys"
	cluster := graft.Store{Kind: graft.KindClusterSecretStore, Name: "other"}
	namespaced := graft.Store{Kind: graft.KindSecretStore, Name: "other"}
	standard := graft.Store{Kind: graft.KindClusterSecretStore, Name: "aws-ssm"}
	for name, tc := range map[string]struct {
		reason   string
		store    graft.Store
		provider string
		want     Reach
	}{
		"Home": {
			"the same region and ESO's own credentials are the webhook's own access", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1"}}`,
			Reach{},
		},
		"Region": {
			"another region has another parameter of this path", cluster,
			`{"aws":{"service":"ParameterStore","region":"us-east-1"}}`,
			Reach{Access: Access{Region: "us-east-1"}},
		},
		"RegionOfNamespace": {
			"the webhook's own credentials say what may be read there", namespaced,
			`{"aws":{"service":"ParameterStore","region":"us-gov-west-1"}}`,
			Reach{Access: Access{Region: "us-gov-west-1"}},
		},
		"NoRegion": {
			"ESO takes the cluster's, as the webhook does", cluster,
			`{"aws":{"service":"ParameterStore"}}`,
			Reach{},
		},
		"RegionForged": {
			"a region becomes part of a host's name", namespaced,
			`{"aws":{"service":"ParameterStore","region":"evil.example/#"}}`,
			Reach{Unchecked: `has region "evil.example/#"`},
		},
		"Prefix": {
			"ESO puts it before every name", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","prefix":"/team"}}`,
			Reach{Prefix: "/team"},
		},
		"Role": {
			"who assumes a role reads as it does, whatever credentials came before", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","role":"` + role + `","externalID":"x1","auth":{"jwt":{"serviceAccountRef":{"name":"eso"}}}}}`,
			Reach{Access: Access{Role: role, ExternalID: "x1"}},
		},
		"RoleOfNamespace": {
			"people of a namespace do not say what the webhook's credentials are used for", namespaced,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","role":"` + role + `"}}`,
			Reach{Unchecked: "ClusterSecretStore alone"},
		},
		"ExternalIDWithoutRole": {
			"it belongs to the role", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","externalID":"x1"}}`,
			Reach{},
		},
		"JWT": {
			"a ServiceAccount's role may be of any account", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","auth":{"jwt":{"serviceAccountRef":{"name":"eso"}}}}}`,
			Reach{Unchecked: "aws.sameAccountStores"},
		},
		"SecretRef": {
			"so may a key", namespaced,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","auth":{"secretRef":{"accessKeyIDSecretRef":{"name":"key"}}}}}`,
			Reach{Unchecked: "credentials of its own"},
		},
		"SameAccount": {
			"the configuration says whose they are", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","auth":{"jwt":{}}}}`,
			Reach{Access: Access{Region: "us-east-1"}},
		},
		"Chain": {
			"nobody can tell which of the roles may do what", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","additionalRoles":["` + role + `"]}}`,
			Reach{Unchecked: "additionalRoles"},
		},
		"SessionTags": {
			"a policy may go by them", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTags":[{"key":"a","value":"b"}]}}`,
			Reach{Unchecked: "session tags"},
		},
		"SessionTagsPolicy": {
			"ESO adds tags by itself (2.5 and later)", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTagsPolicy":"Simple"}}`,
			Reach{Unchecked: "session tags"},
		},
		"CustomSessionTags": {
			"likewise", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTagsPolicy":"Custom","customSessionTags":{"a":"b"}}}`,
			Reach{Unchecked: "session tags"},
		},
		"NoSessionTags": {
			"the policy None adds none", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTagsPolicy":"None"}}`,
			Reach{Access: Access{Region: "us-east-1", Role: role}},
		},
		"UnknownField": {
			"a later ESO may read another parameter by it", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","roleSource":"Tenant"}}`,
			Reach{Unchecked: `"roleSource"`},
		},
		"UnknownAuth": {
			"a later ESO may read by other credentials", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","auth":{"podIdentity":{"name":"x"}}}}`,
			Reach{Unchecked: `"auth.podIdentity"`},
		},
		"UnknownNull": {
			"null is not there", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","roleSource":null,"auth":{"podIdentity":null,"jwt":null}}}`,
			Reach{Access: Access{Region: "us-east-1"}},
		},
		"SecretsManager": {
			"a secret of this name is no parameter", standard,
			`{"aws":{"service":"SecretsManager","region":"eu-central-1"}}`,
			Reach{Unchecked: "not one of AWS Parameter Store"},
		},
		"Vault": {
			"so too", standard,
			`{"vault":{"server":"https://vault"}}`,
			Reach{Unchecked: "not one of AWS Parameter Store"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var provider StoreProvider
			if err := json.Unmarshal([]byte(tc.provider), &provider); err != nil {
				t.Fatal(err)
			}
			stores := Stores{Region: "eu-central-1", SameAccount: func(s graft.Store) bool { return s == standard }}
			got := stores.Reach(tc.store, provider)
			if tc.want.Unchecked != "" {
				if !strings.HasPrefix(got.Unchecked, tc.store.String()) || !strings.Contains(got.Unchecked, tc.want.Unchecked) || got.Access != (Access{}) {
					t.Errorf("%s: got %+v, want it unchecked because it %q", tc.reason, got, tc.want.Unchecked)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
		})
	}
}

func TestReachQuestion(t *testing.T) {
	reach := Reach{Access: Access{Region: "us-east-1"}, Prefix: "/team"}
	want := ask("/team" + path)
	want.Access, want.Origin = reach.Access, "us-east-1 /team"
	if diff := cmp.Diff(want, reach.Question(ask(path))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
