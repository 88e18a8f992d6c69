package lookup

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a new version is known to all replicas before the Secret has it.
// The leader asks which versions there are, ten a call and without a value. Of
// a new one it looks the keys up, and writes them with the wish for a refresh in
// one patch. A parameter that comes after its pods is a new version, too: ESO,
// whose retries are up to 7 minutes apart, is woken by that patch.

// Versions tells the versions of parameters; what is not in the answer was
// not told.
type Versions interface {
	KeyOf(q facts.Question) facts.Key
	Read(ctx context.Context, keys []facts.Key) map[facts.Key]facts.Version
}

// ExternalSecrets are those of the cluster, from memory.
type ExternalSecrets interface {
	// Made lists those that envgraft made.
	Made(ctx context.Context) ([]*externalsecret.ExternalSecret, error)
	// Question asks for the parameter of a namespace's app, or says why nobody may.
	Question(ctx context.Context, namespace string, w externalsecret.Wants) (q facts.Question, unchecked string)
}

// VersionCheck compares the records of all ExternalSecrets with SSM.
type VersionCheck struct {
	Versions Versions
	External ExternalSecrets
	Lookups  *Lookups
	Log      logr.Logger
	// EventsUp reports whether all queues of events answer; nil without queues.
	// While they do, versions are checked each Fallback.
	EventsUp func() bool
	Fallback time.Duration
	// Clock is the real one where it is nil.
	Clock clock.WithTicker

	// denied says that the refusal was logged: once is enough.
	denied bool
	last   time.Time
}

// Run checks every interval until ctx is done.
func (v *VersionCheck) Run(ctx context.Context, interval time.Duration) {
	if v.Versions == nil || interval <= 0 {
		return
	}
	ticks := v.clock().NewTicker(interval)
	defer ticks.Stop()
	for {
		if v.due(v.clock().Now()) {
			v.check(ctx)
		}
		select {
		case <-ticks.C():
		case <-ctx.Done():
			return
		}
	}
}

func (v *VersionCheck) clock() clock.WithTicker {
	if v.Clock == nil {
		return clock.RealClock{}
	}
	return v.Clock
}

// due reports whether versions are to be checked now.
func (v *VersionCheck) due(now time.Time) bool {
	if v.EventsUp != nil && v.EventsUp() && now.Sub(v.last) < v.Fallback {
		return false
	}
	v.last = now
	return true
}

func (v *VersionCheck) check(ctx context.Context) {
	asked, keys := v.gather(ctx)
	for key, version := range v.Versions.Read(ctx, facts.Interleave(keys)) {
		v.compare(asked[key], version)
	}
}

// gather returns the ExternalSecrets to check by the keys of their parameters,
// and the keys by namespace, all from memory.
func (v *VersionCheck) gather(ctx context.Context) (asked map[facts.Key][]*externalsecret.ExternalSecret, keys map[string][]facts.Key) {
	made, err := v.External.Made(ctx)
	if err != nil {
		v.Log.Error(err, "Cannot check for new versions")
		return nil, nil
	}
	asked = make(map[facts.Key][]*externalsecret.ExternalSecret)
	keys = make(map[string][]facts.Key)
	for _, e := range made {
		w := e.Made()
		// A probe has no Secret yet: its parameter may come, and is then to be read at once.
		if e.Phase() == externalsecret.PhaseRevoked || !e.Record.Of(w) {
			continue
		}
		q, unchecked := v.External.Question(ctx, e.Namespace, w)
		if unchecked != "" || !e.Record.From(q.Origin) {
			continue
		}
		key := v.Versions.KeyOf(q)
		if asked[key] == nil {
			keys[e.Namespace] = append(keys[e.Namespace], key)
		}
		asked[key] = append(asked[key], e)
	}
	return asked, keys
}

// compare has the apps reconciled whose record is of an older version, and
// reports whether there were any.
func (v *VersionCheck) compare(made []*externalsecret.ExternalSecret, version facts.Version) (newer bool) {
	switch version.State {
	case graft.ParameterAccessDenied:
		if !v.denied {
			v.denied = true
			v.Log.Info("Cannot check for new versions: allow ssm:GetParameters; until then the refresh interval stands", "cause", version.Cause)
		}
		return false
	case graft.ParameterFound, graft.ParameterNotFound:
	default:
		return false
	}
	at := recordedAs(version)
	for _, e := range made {
		s := SubjectOf(client.ObjectKey{Namespace: e.Namespace, Name: e.App}, e.Made())
		switch {
		case version.State == graft.ParameterNotFound:
			v.Lookups.Gone(s)
		case at.After(e.Record.At()):
			v.Lookups.Outdated(s, at)
			newer = true
		}
	}
	return newer
}

// recordedAs is what SSM said, as records have it.
func recordedAs(v facts.Version) externalsecret.Version {
	return externalsecret.Version{Number: v.Number, Modified: v.Modified}
}
