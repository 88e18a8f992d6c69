package externalsecret

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unique"

	"github.com/envgraft/envgraft/internal/graft"
)

// Record is what is known of a parameter, as it stands on the ExternalSecret:
// every replica has it in memory, whether SSM answers or not. It never holds a
// value.
type Record struct {
	Parameter string `json:"parameter"`
	Store     string `json:"store"`
	// Origin tells parameters of one name and store apart: the region and role by
	// which the store reads, and its prefix. It is empty for the webhook's own.
	Origin string `json:"origin,omitempty"`
	// State is empty where the keys are known. Else it says why there are none:
	// graft.ParameterNotFound, -NotObject, -InvalidJSON or -AccessDenied.
	State    graft.ParameterState `json:"state,omitempty"`
	Version  int64                `json:"version,omitempty"`
	Modified time.Time            `json:"modified,omitzero"`
	// AsOf is when SSM was asked.
	AsOf time.Time `json:"asOf"`
	Keys []string  `json:"keys"`

	// Previous is the version that the Secret had when this one was recorded; nil
	// where that is not known, or the Secret has this one.
	Previous *Previous `json:"previous,omitempty"`
	// Late says that ESO did not answer the refresh that the record asked for, and
	// Since is when the Secret came to have this version after all.
	Late  bool      `json:"late,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// Previous is a former version of the parameter.
type Previous struct {
	Version  int64     `json:"version"`
	Modified time.Time `json:"modified,omitzero"`
	Keys     []string  `json:"keys"`
}

// NewRecord writes down an answer to a question that was asked at asOf; nil where
// the answer says nothing that lasts.
func NewRecord(w Wants, origin string, p graft.Parameter, asOf time.Time) *Record {
	r := &Record{
		Parameter: w.Parameter, Store: w.Store.String(), Origin: origin, Version: p.Version,
		Modified: p.Modified.UTC().Round(time.Millisecond), AsOf: asOf.UTC().Truncate(time.Second),
	}
	switch p.State {
	case graft.ParameterFound, graft.ParameterEmpty:
		if p.Version == 0 {
			return nil // nobody could find out that they changed
		}
		r.Keys = slices.Clone(p.Keys)
	case graft.ParameterNotFound, graft.ParameterNotObject, graft.ParameterInvalidJSON, graft.ParameterAccessDenied:
		r.State = p.State
	case graft.ParameterThrottled, graft.ParameterUnreachable, graft.ParameterUnchecked:
		return nil
	}
	return r
}

// ParseRecord reads an annotation. One that cannot be read is as good as none:
// the next one is written over it.
func ParseRecord(text string) *Record {
	r := &Record{}
	if err := json.Unmarshal([]byte(text), r); err != nil || !r.valid() {
		return nil
	}
	// Apps have many keys in common, and 20,000 records are kept.
	r.Store, r.Origin = unique.Make(r.Store).Value(), unique.Make(r.Origin).Value()
	r.State = unique.Make(r.State).Value()
	r.Keys = shared(r.Keys)
	if r.Previous != nil {
		r.Previous.Keys = shared(r.Previous.Keys)
	}
	return r
}

func (r *Record) valid() bool {
	if !slices.IsSorted(r.Keys) || r.Previous != nil && !slices.IsSorted(r.Previous.Keys) {
		return false
	}
	switch r.State {
	case "":
		return r.Version > 0
	case graft.ParameterNotFound, graft.ParameterNotObject, graft.ParameterInvalidJSON, graft.ParameterAccessDenied:
		return len(r.Keys) == 0
	default:
		return false
	}
}

// shared holds each key once. A decoder's slice has room for more.
func shared(keys []string) []string {
	short := make([]string, len(keys))
	for n, key := range keys {
		short[n] = unique.Make(key).Value()
	}
	return short
}

// String writes an annotation.
func (r *Record) String() (string, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("cannot encode the keys of parameter %q: %w", r.Parameter, err)
	}
	return string(raw), nil
}

// Of says that the record is of what is wanted.
func (r *Record) Of(w Wants) bool {
	return r != nil && r.Parameter == w.Parameter && r.Store == w.Store.String()
}

// From says that the record is of the parameter that the store reads now, and not
// of one of the same name in another account or region. Records from before the
// origin was recorded do not tell; they had no time of modification either.
func (r *Record) From(origin string) bool {
	old := r.State == "" && r.Modified.IsZero()
	return old || r.Origin == origin
}

// Known says that the record has the parameter's keys.
func (r *Record) Known() bool { return r != nil && r.State == "" }

// At is the state of the parameter that was recorded.
func (r *Record) At() Version { return Version{Number: r.Version, Modified: r.Modified, Seen: r.AsOf} }

// Same says that two records say the same. When they were written is no part of
// it, nor what came before.
func (r *Record) Same(other *Record) bool {
	if r == nil || other == nil {
		return r == other
	}
	return r.Parameter == other.Parameter && r.Store == other.Store && r.Origin == other.Origin && r.State == other.State &&
		r.Version == other.Version && r.Modified.Equal(other.Modified) && slices.Equal(r.Keys, other.Keys) &&
		r.Late == other.Late && r.Since.Equal(other.Since)
}

// replaces says that r, which was just found, is written over a record of the
// same name and store. Keys stay for want of others: a parameter that is gone or
// cannot be read changes nothing of the Secret.
func (r *Record) replaces(have *Record) bool {
	switch {
	case !have.From(r.Origin):
		return true
	case !have.Known():
		return r.Known() || r.State != have.State || r.At().After(have.At())
	case !r.Known() || have.At().After(r.At()):
		return false
	}
	return r.At().After(have.At()) || !slices.Equal(r.Keys, have.Keys)
}

// parameter is the record as a fact.
func (r *Record) parameter() graft.Parameter {
	return found(r.Keys, r.Version, r.Modified)
}

// Facts are what a pod is admitted by that goes by the record alone.
func (r *Record) Facts() graft.Facts { return graft.Facts{Parameter: r.parameter()} }

func found(keys []string, version int64, modified time.Time) graft.Parameter {
	p := graft.Parameter{State: graft.ParameterFound, Keys: keys, Version: version, Modified: modified}
	if len(keys) == 0 {
		p.State, p.Keys = graft.ParameterEmpty, nil
	}
	return p
}
