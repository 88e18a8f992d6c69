package externalsecret

import (
	"fmt"
	"slices"
	"time"

	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: what SSM has and what the Secret has are two things. A new version is
// recorded before the Secret has it, and writing the record makes ESO refresh. Pods
// that are admitted meanwhile are bound by the new version, which the Secret has
// within seconds. When ESO does not answer in answerBound, they are bound by what
// the Secret has: a literal bound to a key that is not there would keep its
// container from starting while ESO does not run.

const (
	// answerBound is how long ESO may take to answer a refresh.
	answerBound = time.Minute
	// ClockSkew is how far the clocks of AWS and of the cluster may be apart.
	ClockSkew = 5 * time.Second
	// settling is how long after a refresh by ESO the leader may take to find out
	// whether the parameter changed. A record from before the refresh counts again
	// when it has stood since: the leader would have replaced it.
	settling = 15 * time.Second
	// ahead is how long before a refresh a record may have been written that is of
	// it: the leader records the keys, and with that has ESO read the parameter. One
	// that changes between the two is found by the next check of versions.
	ahead = 5 * time.Second
)

// Answered says that the Secret has the version that is recorded: ESO refreshed it
// after SSM was asked, or surely after the parameter was modified.
func (e *ExternalSecret) Answered() bool {
	r := e.Record
	if r == nil || !e.Refreshed().Before(r.AsOf) {
		return true
	}
	return !r.Modified.IsZero() && e.Status.RefreshTime.After(r.Modified.Add(ClockSkew))
}

// UnansweredSince is when ESO was asked for a refresh that it did not answer in
// time; zero where it did, or still may. An ExternalSecret that never filled its
// Secret has other words: see Health.
func (e *ExternalSecret) UnansweredSince(now time.Time) time.Time {
	if !e.Record.Known() || e.Phase() != PhaseOwn || e.Status.RefreshTime.IsZero() || e.Answered() || now.Sub(e.Record.AsOf) <= answerBound {
		return time.Time{}
	}
	return e.Record.AsOf
}

// AnswerDue is in how long ESO's silence will be worth a word; 0 where it has
// answered, or that time has come.
func (e *ExternalSecret) AnswerDue(now time.Time) time.Duration {
	if !e.Record.Known() || e.Phase() != PhaseOwn || e.Answered() {
		return 0
	}
	return max(0, e.Record.AsOf.Add(answerBound).Sub(now)+time.Second)
}

// Settled says that the record is of the Secret as ESO last refreshed it.
func (e *ExternalSecret) Settled(now time.Time) bool {
	refreshed := e.Refreshed()
	return !refreshed.After(e.Record.AsOf.Add(ahead)) || now.Sub(refreshed) > settling
}

// Keys is what pods are bound by: the recorded version, or as much of it as the
// Secret has while ESO does not answer. Only of a record whose keys are known.
func (e *ExternalSecret) Keys(now time.Time) graft.Parameter {
	r := e.Record
	since := e.UnansweredSince(now)
	if since.IsZero() {
		return r.parameter()
	}
	if r.Previous == nil {
		return graft.Parameter{State: graft.ParameterUnchecked, Cause: fmt.Sprintf(
			"the External Secrets Operator has not answered since %s, and the keys that Secret %q has were not recorded",
			since.UTC().Format(time.RFC3339), e.SecretName())}
	}
	held := found(r.Previous.Keys, r.Previous.Version, r.Previous.Modified)
	held.Keys = both(r.Previous.Keys, r.Keys)
	return held
}

// both are the keys in two sorted lists: one that only the Secret has goes with
// the next refresh, and the containers bound to it could not be restarted.
func both(a, b []string) []string {
	var keys []string
	for _, key := range a {
		if _, ok := slices.BinarySearch(b, key); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// Held is the version of the parameter that the Secret has; false where that is
// not known.
func (e *ExternalSecret) Held() (Version, bool) {
	switch r := e.Record; {
	case !r.Known():
		return Version{}, false
	case e.Answered():
		return r.At(), true
	case r.Previous != nil:
		return Version{Number: r.Previous.Version, Modified: r.Previous.Modified}, true
	}
	return Version{}, false
}

// NextRecord is what the ExternalSecret, nil where it is to be made, is to say of
// the parameter that is wanted, where found is the newest answer, if any. A record
// that has nothing to add keeps its words, for each change of an annotation has ESO
// read the parameter again.
func (e *ExternalSecret) NextRecord(w Wants, found *Record, now time.Time) *Record {
	if e == nil || !e.Record.Of(w) {
		return found
	}
	have := e.Record
	if found != nil && found.replaces(have) {
		next := *found
		next.Previous = e.previous(found)
		return &next
	}
	switch {
	case !have.Late && !e.UnansweredSince(now).IsZero():
		next := *have
		next.Late = true
		return &next
	case have.Late && e.Answered():
		next := *have
		next.Late, next.Since, next.Previous = false, e.Refreshed().UTC(), nil
		return &next
	}
	return have
}

// previous is what the Secret has when a new version is recorded.
func (e *ExternalSecret) previous(next *Record) *Previous {
	have := e.Record
	switch {
	case !have.Known() || !next.Known() || !have.From(next.Origin):
		return nil
	case e.Answered():
		return &Previous{Version: have.Version, Modified: have.Modified, Keys: have.Keys}
	}
	return have.Previous
}

// Unrecorded says that the parameter is to be looked up, and from when on an answer
// counts: nothing is recorded of what is wanted, or ESO made a Secret of a
// parameter that had no keys when it was recorded.
func (e *ExternalSecret) Unrecorded(w Wants, origin string) (freshAfter time.Time, unrecorded bool) {
	switch {
	case e == nil:
		return time.Time{}, true
	case !e.Record.Of(w) || !e.Record.From(origin):
		return e.Status.RefreshTime.Time, true
	case !e.Record.Known() && e.SecretExists() && e.Refreshed().After(e.Record.AsOf):
		return e.Status.RefreshTime.Time, true
	}
	return time.Time{}, false
}
