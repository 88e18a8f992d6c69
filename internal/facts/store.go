package facts

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: the parameter of a path is another one in another account or
// region. Of a store that reads by other credentials than the webhook's, the
// webhook assumes the same role, or nobody is asked: keys of the wrong
// parameter would bind a literal to a key that its Secret never gets.

// StoreProvider is what an ESO store's spec.provider says of the way to its
// parameters, the same in v1 and v1beta1, see
// https://external-secrets.io/latest/api/spec/#external-secrets.io/v1.AWSProvider.
type StoreProvider struct {
	AWS *AWSProvider `json:"aws,omitempty"`
}

// AWSProvider is the part that makes a difference to what is read.
type AWSProvider struct {
	Service         string            `json:"service,omitempty"`
	Region          string            `json:"region,omitempty"`
	Role            string            `json:"role,omitempty"`
	ExternalID      string            `json:"externalID,omitempty"`
	Prefix          string            `json:"prefix,omitempty"`
	Auth            AWSAuth           `json:"auth"`
	AdditionalRoles []string          `json:"additionalRoles,omitempty"`
	SessionTags     []json.RawMessage `json:"sessionTags,omitempty"`
}

// AWSAuth tells whether a store brings credentials of its own, and not whose.
type AWSAuth struct {
	SecretRef *struct{} `json:"secretRef,omitempty"`
	JWT       *struct{} `json:"jwt,omitempty"`
}

// serviceParameterStore is ESO's name of SSM.
const serviceParameterStore = "ParameterStore"

// Reach is how the webhook reads the parameters of a store.
type Reach struct {
	Access Access
	// Prefix is what the store puts before each parameter's name.
	Prefix string
	// Unchecked says for people why the webhook must not read them; empty where
	// it may.
	Unchecked string
}

// Question directs a question to the store's parameters.
func (r Reach) Question(q Question) Question {
	q.Parameter = r.Prefix + q.Parameter
	q.Access = r.Access
	// Words that are not there are left out, so that the origin of most is empty.
	q.Origin = strings.Join(strings.Fields(r.Access.Region+" "+r.Access.Role+" "+r.Prefix), " ")
	return q
}

// Stores resolves the stores of a cluster whose keys are read from SSM.
type Stores struct {
	// Region is the webhook's own.
	Region string
	// SameAccount says of a store that the credentials it brings are those of
	// the webhook's own account.
	SameAccount func(graft.Store) bool
}

// Recorded says that the leader records what it reads: SSM counts versions, so it
// can be found out when they change.
func (Stores) Recorded() bool { return true }

// Reach tells how to read the parameters of a store.
func (s Stores) Reach(store graft.Store, provider StoreProvider) Reach {
	if cause := s.unchecked(store, provider.AWS); cause != "" {
		return Reach{Unchecked: fmt.Sprintf("%s %s", store, cause)}
	}
	aws := provider.AWS
	reach := Reach{Prefix: aws.Prefix, Access: Access{Region: aws.Region}}
	if aws.Region == s.Region {
		reach.Access.Region = ""
	}
	if aws.Role != "" {
		reach.Access.Role, reach.Access.ExternalID = aws.Role, aws.ExternalID
	}
	return reach
}

// awsRegion is the form of AWS' regions. A region becomes part of a host's
// name, and people of a namespace may write their stores.
var awsRegion = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)

// unchecked says why the webhook cannot read what the store reads.
func (s Stores) unchecked(store graft.Store, aws *AWSProvider) string {
	switch {
	case aws == nil || aws.Service != serviceParameterStore:
		return "is not one of AWS Parameter Store"
	case aws.Region != "" && !awsRegion.MatchString(aws.Region):
		return fmt.Sprintf("has region %q, which is none of AWS", aws.Region)
	case len(aws.AdditionalRoles) > 0:
		return "goes by several roles (additionalRoles), which envgraft does not follow"
	case aws.Role != "" && len(aws.SessionTags) > 0:
		return "assumes its role with session tags, which envgraft does not follow"
	case aws.Role != "" && store.Kind == graft.KindSecretStore && !s.SameAccount(store):
		// Its author is not to say what the webhook's credentials are used for.
		return "is the namespace's own and assumes a role, which envgraft does for a ClusterSecretStore alone"
	case aws.Role == "" && (aws.Auth.JWT != nil || aws.Auth.SecretRef != nil) && !s.SameAccount(store):
		return "brings credentials of its own, which may be another account's: an administrator can give it a role, or name it in aws.sameAccountStores"
	}
	return ""
}

// AnyStore is for keys that are not read from SSM: whatever the store.
type AnyStore struct{}

// Recorded says that each replica asks for itself: nothing tells when a Secret or a
// file changed, and to ask costs little.
func (AnyStore) Recorded() bool { return false }

// Reach says that there is nothing to it.
func (AnyStore) Reach(graft.Store, StoreProvider) Reach { return Reach{} }
