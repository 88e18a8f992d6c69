// Package clusterview reads what a cluster knows of an app, with the rights of the
// person who asks: workload, pods, ConfigMap, ExternalSecret, store, the names
// of the Secret's keys, and what has to run for all that to work. What may not
// be read is remembered as a right that is missing, and is no error. No type
// here can hold a value of a Secret: values are dropped where they are parsed.
package clusterview

import (
	"fmt"
	"slices"
	"strings"
)

// State is what came of a look.
type State string

// The states.
const (
	// Unasked is for what nobody looked for.
	Unasked   State = ""
	Found     State = "Found"
	NotFound  State = "NotFound"
	Forbidden State = "Forbidden"
	// Failed is for an API server that did not answer as it should.
	Failed State = "Failed"
)

// Seen is one thing that was looked for.
type Seen[T any] struct {
	State State
	// Cause says for people why the thing is not known; with Forbidden and Failed.
	Cause string
	Value T
}

// Known says that the look told something: the thing, or that there is none.
func (s Seen[T]) Known() bool { return s.State == Found || s.State == NotFound }

// Right is one that the person who asks does not have.
type Right struct {
	Verb     string `json:"verb"`
	Resource string `json:"resource"`
	// Namespace is empty for objects of the cluster.
	Namespace string `json:"namespace,omitempty"`
	// Name is empty for lists.
	Name string `json:"name,omitempty"`
}

// String writes a right as "get secrets/shop-secrets in namespace shop".
func (r Right) String() string {
	text := r.Verb + " " + r.Resource
	if r.Name != "" {
		text += "/" + r.Name
	}
	if r.Namespace != "" {
		text += " in namespace " + r.Namespace
	}
	return text
}

// compare orders rights for people.
func (r Right) compare(other Right) int { return strings.Compare(r.String(), other.String()) }

// Missing returns the rights that were found missing, each once.
func (r *Reader) Missing() []Right {
	r.mu.Lock()
	defer r.mu.Unlock()
	missing := slices.Clone(r.missing)
	slices.SortFunc(missing, Right.compare)
	return slices.Compact(missing)
}

func miss(r *Reader, right Right) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing = append(r.missing, right)
}

// AskFor says how an administrator gives a right, for errors and findings.
func AskFor(right Right) string {
	return fmt.Sprintf("you may not %s: ask an administrator for that right", right)
}
