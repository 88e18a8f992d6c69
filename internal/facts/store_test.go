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
		want     StoreAccess
	}{
		"Home": {
			"the same region and ESO's own credentials are the webhook's own access", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1"}}`,
			StoreAccess{},
		},
		"Region": {
			"another region has another parameter of this path", cluster,
			`{"aws":{"service":"ParameterStore","region":"us-east-1"}}`,
			StoreAccess{Access: Access{Region: "us-east-1"}},
		},
		"RegionOfNamespace": {
			"the webhook's own credentials say what may be read there", namespaced,
			`{"aws":{"service":"ParameterStore","region":"us-gov-west-1"}}`,
			StoreAccess{Access: Access{Region: "us-gov-west-1"}},
		},
		"NoRegion": {
			"ESO takes the cluster's, as the webhook does", cluster,
			`{"aws":{"service":"ParameterStore"}}`,
			StoreAccess{},
		},
		"RegionForged": {
			"a region becomes part of a host's name", namespaced,
			`{"aws":{"service":"ParameterStore","region":"evil.example/#"}}`,
			StoreAccess{Unchecked: `has region "evil.example/#"`},
		},
		"Prefix": {
			"ESO puts it before every name", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","prefix":"/team"}}`,
			StoreAccess{Prefix: "/team"},
		},
		"Role": {
			"who assumes a role reads as it does, whatever credentials came before", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","role":"` + role + `","externalID":"x1","auth":{"jwt":{"serviceAccountRef":{"name":"eso"}}}}}`,
			StoreAccess{Access: Access{Role: role, ExternalID: "x1"}},
		},
		"RoleOfNamespace": {
			"people of a namespace do not say what the webhook's credentials are used for", namespaced,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","role":"` + role + `"}}`,
			StoreAccess{Unchecked: "ClusterSecretStore alone"},
		},
		"ExternalIDWithoutRole": {
			"it belongs to the role", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","externalID":"x1"}}`,
			StoreAccess{},
		},
		"JWT": {
			"a ServiceAccount's role may be of any account", cluster,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","auth":{"jwt":{"serviceAccountRef":{"name":"eso"}}}}}`,
			StoreAccess{Unchecked: "aws.sameAccountStores"},
		},
		"SecretRef": {
			"so may a key", namespaced,
			`{"aws":{"service":"ParameterStore","region":"eu-central-1","auth":{"secretRef":{"accessKeyIDSecretRef":{"name":"key"}}}}}`,
			StoreAccess{Unchecked: "credentials of its own"},
		},
		"SameAccount": {
			"the configuration says whose they are", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","auth":{"jwt":{}}}}`,
			StoreAccess{Access: Access{Region: "us-east-1"}},
		},
		"Chain": {
			"nobody can tell which of the roles may do what", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","additionalRoles":["` + role + `"]}}`,
			StoreAccess{Unchecked: "additionalRoles"},
		},
		"SessionTags": {
			"a policy may go by them", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTags":[{"key":"a","value":"b"}]}}`,
			StoreAccess{Unchecked: "session tags"},
		},
		"SessionTagsPolicy": {
			"ESO adds tags by itself (2.5 and later)", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTagsPolicy":"Simple"}}`,
			StoreAccess{Unchecked: "session tags"},
		},
		"CustomSessionTags": {
			"likewise", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTagsPolicy":"Custom","customSessionTags":{"a":"b"}}}`,
			StoreAccess{Unchecked: "session tags"},
		},
		"NoSessionTags": {
			"the policy None adds none", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","role":"` + role + `","sessionTagsPolicy":"None"}}`,
			StoreAccess{Access: Access{Region: "us-east-1", Role: role}},
		},
		"UnknownField": {
			"a later ESO may read another parameter by it", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","roleSource":"Tenant"}}`,
			StoreAccess{Unchecked: `"roleSource"`},
		},
		"UnknownAuth": {
			"a later ESO may read by other credentials", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","auth":{"podIdentity":{"name":"x"}}}}`,
			StoreAccess{Unchecked: `"auth.podIdentity"`},
		},
		"UnknownNull": {
			"null is not there", standard,
			`{"aws":{"service":"ParameterStore","region":"us-east-1","roleSource":null,"auth":{"podIdentity":null,"jwt":null}}}`,
			StoreAccess{Access: Access{Region: "us-east-1"}},
		},
		"SecretsManager": {
			"a secret of this name is no parameter", standard,
			`{"aws":{"service":"SecretsManager","region":"eu-central-1"}}`,
			StoreAccess{Unchecked: "not one of AWS Parameter Store"},
		},
		"Vault": {
			"so too", standard,
			`{"vault":{"server":"https://vault"}}`,
			StoreAccess{Unchecked: "not one of AWS Parameter Store"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var provider StoreProvider
			if err := json.Unmarshal([]byte(tc.provider), &provider); err != nil {
				t.Fatal(err)
			}
			stores := Stores{Region: "eu-central-1", SameAccount: func(s graft.Store) bool { return s == standard }}
			got := stores.AccessTo(tc.store, provider)
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
	access := StoreAccess{Access: Access{Region: "us-east-1"}, Prefix: "/team"}
	want := ask("/team" + path)
	want.Access, want.Origin = access.Access, "us-east-1 /team"
	if diff := cmp.Diff(want, access.Question(ask(path))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
