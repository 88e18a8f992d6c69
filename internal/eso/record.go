package eso

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
	"unique"

	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// Record is what is known of the keys of a parameter, as it stands on the
// ExternalSecret: every replica has it in memory, whether SSM answers or not.
// It never holds a value.
type Record struct {
	Parameter string    `json:"parameter"`
	Store     string    `json:"store"`
	Version   int64     `json:"version"`
	AsOf      time.Time `json:"asOf"`
	Keys      []string  `json:"keys"`
}

// NewRecord writes down an answer; nil where it says nothing of keys.
func NewRecord(w Wants, p facts.Parameter) *Record {
	if !p.Known() || p.Version == 0 {
		return nil // a source that counts no versions cannot say when they change
	}
	return &Record{
		Parameter: w.Parameter, Store: w.Store.String(), Version: p.Version,
		AsOf: p.Fetched.UTC().Truncate(time.Second), Keys: slices.Clone(p.Keys),
	}
}

// ParseRecord reads an annotation. One that cannot be read is as good as none:
// the next one is written over it.
func ParseRecord(text string) *Record {
	r := &Record{}
	if err := json.Unmarshal([]byte(text), r); err != nil || r.Version < 1 || !slices.IsSorted(r.Keys) {
		return nil
	}
	// Apps have many keys in common, and 20,000 records are kept.
	r.Store = unique.Make(r.Store).Value()
	keys := make([]string, len(r.Keys)) // a decoder's slice has room for more
	for n, key := range r.Keys {
		keys[n] = unique.Make(key).Value()
	}
	r.Keys = keys
	return r
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

// Same says that two records know the same. When they were written is no part of it.
func (r *Record) Same(other *Record) bool {
	if r == nil || other == nil {
		return r == other
	}
	return r.Parameter == other.Parameter && r.Store == other.Store && r.Version == other.Version && slices.Equal(r.Keys, other.Keys)
}

// parameter is the record as a fact.
func (r *Record) parameter() *facts.Parameter {
	p := &facts.Parameter{Fetched: r.AsOf}
	p.State, p.Keys, p.Version = graft.ParameterFound, r.Keys, r.Version
	if len(r.Keys) == 0 {
		p.State, p.Keys = graft.ParameterEmpty, nil
	}
	return p
}
