package facts

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
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

// AWSProvider has the fields that ESO's CRDs have today (v2.9.0). A later ESO may
// read a parameter in another way by a field that is not among them: of a store that
// has one no parameter is read.
type AWSProvider struct {
	Service           string    `json:"service,omitempty"`
	Region            string    `json:"region,omitempty"`
	Role              string    `json:"role,omitempty"`
	ExternalID        string    `json:"externalID,omitempty"`
	Prefix            string    `json:"prefix,omitempty"`
	Auth              AWSAuth   `json:"auth"`
	AdditionalRoles   []string  `json:"additionalRoles,omitempty"`
	SessionTags       []present `json:"sessionTags,omitempty"`
	SessionTagsPolicy string    `json:"sessionTagsPolicy,omitempty"`
	CustomSessionTags *present  `json:"customSessionTags,omitempty"`
	TransitiveTagKeys []string  `json:"transitiveTagKeys,omitempty"`
	// SecretsManager says how secrets are deleted there.
	SecretsManager *present `json:"secretsManager,omitempty"`

	// unknown is a field that is none of these, or "".
	unknown string
}

// AWSAuth has the credentials that a store brings, and not whose they are.
type AWSAuth struct {
	SecretRef *present `json:"secretRef,omitempty"`
	JWT       *present `json:"jwt,omitempty"`

	unknown string
}

// present is a value of which it counts only that it is there.
type present struct{}

// UnmarshalJSON reads nothing.
func (*present) UnmarshalJSON([]byte) error { return nil }

// UnmarshalJSON notes a field that is not known.
func (p *AWSProvider) UnmarshalJSON(data []byte) error {
	type plain AWSProvider // without this method
	if err := json.Unmarshal(data, (*plain)(p)); err != nil {
		return err
	}
	p.unknown = unknownField(data, reflect.TypeFor[AWSProvider]())
	return nil
}

// UnmarshalJSON notes a field that is not known.
func (a *AWSAuth) UnmarshalJSON(data []byte) error {
	type plain AWSAuth
	if err := json.Unmarshal(data, (*plain)(a)); err != nil {
		return err
	}
	a.unknown = unknownField(data, reflect.TypeFor[AWSAuth]())
	return nil
}

// unknownField returns the first field of an object that a struct does not have. One
// that is null is as if it were not there.
func unknownField(data []byte, of reflect.Type) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return ""
	}
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		delete(fields, name)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if string(fields[name]) != "null" {
			return name
		}
	}
	return ""
}

// serviceParameterStore is ESO's name of SSM.
const serviceParameterStore = "ParameterStore"

// sessionTagsNone is the sessionTagsPolicy (ESO 2.5 and later) that adds no tags.
const sessionTagsNone = "None"

// StoreAccess is how the webhook reads the parameters of a store.
type StoreAccess struct {
	Access Access
	// Prefix is what the store puts before each parameter's name.
	Prefix string
	// Unchecked says for people why the webhook must not read them; empty where
	// it may.
	Unchecked string
}

// Question directs a question to the store's parameters.
func (r StoreAccess) Question(q Question) Question {
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

// AccessTo tells how to read the parameters of a store.
func (s Stores) AccessTo(store graft.Store, provider StoreProvider) StoreAccess {
	if cause := s.unchecked(store, provider.AWS); cause != "" {
		return StoreAccess{Unchecked: fmt.Sprintf("%s %s", store, cause)}
	}
	aws := provider.AWS
	access := StoreAccess{Prefix: aws.Prefix, Access: Access{Region: aws.Region}}
	if aws.Region == s.Region {
		access.Access.Region = ""
	}
	if aws.Role != "" {
		access.Access.Role, access.Access.ExternalID = aws.Role, aws.ExternalID
	}
	return access
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
	case aws.unknown != "" || aws.Auth.unknown != "":
		return fmt.Sprintf("has the field %q, which this version of envgraft does not know", cmp.Or(aws.unknown, "auth."+aws.Auth.unknown))
	case aws.Role != "" && aws.tagsSession():
		return "assumes its role with session tags, which envgraft does not follow"
	case aws.Role != "" && store.Kind == graft.KindSecretStore && !s.SameAccount(store):
		// Its author is not to say what the webhook's credentials are used for.
		return "is the namespace's own and assumes a role, which envgraft does for a ClusterSecretStore alone"
	case aws.Role == "" && (aws.Auth.JWT != nil || aws.Auth.SecretRef != nil) && !s.SameAccount(store):
		return "brings credentials of its own, which may be another account's: an administrator can give it a role, or name it in aws.sameAccountStores"
	}
	return ""
}

// tagsSession says that the role is assumed with tags, by which a policy may go.
func (p *AWSProvider) tagsSession() bool {
	return len(p.SessionTags) > 0 || p.CustomSessionTags != nil || len(p.TransitiveTagKeys) > 0 ||
		p.SessionTagsPolicy != "" && p.SessionTagsPolicy != sessionTagsNone
}

// AnyStore is for keys that are not read from SSM: whatever the store.
type AnyStore struct{}

// Recorded says that each replica asks for itself: nothing tells when a Secret or a
// file changed, and to ask costs little.
func (AnyStore) Recorded() bool { return false }

// AccessTo says that nothing is special about a store.
func (AnyStore) AccessTo(graft.Store, StoreProvider) StoreAccess { return StoreAccess{} }
