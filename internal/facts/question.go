package facts

import (
	"time"

	"github.com/envgraft/envgraft/internal/identity"
)

// Access is by which region and role a parameter is read. Two parameters of
// one path are the same only where their accesses are: zero fields mean the
// webhook's own region, and its own account and credentials.
type Access struct {
	Region string
	// Role is the ARN of a role to assume, by ExternalID where its trust asks
	// for one.
	Role       string
	ExternalID string
}

// Question asks for the keys of an app's parameter.
type Question struct {
	// Namespace is that of the pods for which is asked.
	Namespace string
	Parameter string
	// Secret is the one that ESO makes of the parameter, in the namespace.
	Secret string
	Access Access
	// Origin tells parameters of one name and store apart, as Record.Origin does:
	// see StoreAccess.Question.
	Origin string
	// Recorded says that the leader records the answer on the ExternalSecret, for
	// all replicas to read.
	Recorded bool
	// FreshAfter leaves out answers to what was asked before. Zero takes any.
	FreshAfter time.Time
}

// QuestionOf asks for an app's parameter by the webhook's own access.
func QuestionOf(namespace string, id identity.Identity) Question {
	return Question{Namespace: namespace, Parameter: id.Parameter, Secret: id.Secret}
}
