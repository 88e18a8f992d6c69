package controller

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a new version is known to all replicas before the Secret has it.
// The leader asks which versions there are, ten a call and without a value. Of
// a new one it looks the keys up, and writes them with the wish for a refresh in
// one patch.

// Versions tells the versions of parameters; what is not in the answer was
// not told.
type Versions interface {
	KeyOf(q facts.Question) facts.Key
	Read(ctx context.Context, keys []facts.Key) map[facts.Key]facts.Version
}

// versionCheck compares the records of all ExternalSecrets with SSM.
type versionCheck struct {
	versions Versions
	external *eso.ExternalSecrets
	lookups  *lookups
	log      logr.Logger
	// denied says that the refusal was told: once is enough.
	denied bool
	// eventsUp reports whether all queues of events answer; nil without queues.
	// While they do, versions are checked each fallback interval.
	eventsUp func() bool
	fallback time.Duration
	last     time.Time
}

// run checks every interval until ctx is done.
func (v *versionCheck) run(ctx context.Context, interval time.Duration) {
	if v.versions == nil || interval <= 0 {
		return
	}
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if v.due(time.Now()) {
			v.check(ctx)
		}
	}, interval)
}

// due reports whether versions are to be checked now.
func (v *versionCheck) due(now time.Time) bool {
	if v.eventsUp != nil && v.eventsUp() && now.Sub(v.last) < v.fallback {
		return false
	}
	v.last = now
	return true
}

func (v *versionCheck) check(ctx context.Context) {
	asked, keys := v.gather(ctx)
	for key, version := range v.versions.Read(ctx, facts.Interleave(keys)) {
		v.compare(asked[key], version)
	}
}

// gather returns the ExternalSecrets to check by the keys of their parameters,
// and the keys by namespace, all from memory.
func (v *versionCheck) gather(ctx context.Context) (asked map[facts.Key][]*eso.ExternalSecret, keys map[string][]facts.Key) {
	i := v.external.Current()
	if i == nil {
		return nil, nil
	}
	made, err := i.Made(ctx, "", "")
	if err != nil {
		v.log.Error(err, "Cannot check for new versions")
		return nil, nil
	}
	asked = make(map[facts.Key][]*eso.ExternalSecret)
	keys = make(map[string][]facts.Key)
	for _, e := range made {
		w := wantsOf(e)
		if e.Phase() != eso.PhaseOwn || !e.Record.Of(w) {
			continue
		}
		q, unchecked := v.external.Ask(ctx, i, w, e.Namespace, time.Time{})
		if unchecked != "" || !e.Record.From(q.Origin) {
			continue
		}
		key := v.versions.KeyOf(q)
		if asked[key] == nil {
			keys[e.Namespace] = append(keys[e.Namespace], key)
		}
		asked[key] = append(asked[key], e)
	}
	return asked, keys
}

// compare has the apps reconciled whose record is of an older version, and
// returns whether there were any.
func (v *versionCheck) compare(made []*eso.ExternalSecret, version facts.Version) (newer bool) {
	switch version.State {
	case graft.ParameterAccessDenied:
		if !v.denied {
			v.denied = true
			v.log.Info("Cannot check for new versions: allow ssm:GetParameters; until then the refresh interval stands", "cause", version.Cause)
		}
		return false
	case graft.ParameterFound:
	default:
		return false
	}
	for _, e := range made {
		if at := recordedAs(version); at.After(e.Record.At()) {
			v.lookups.outdated(client.ObjectKey{Namespace: e.Namespace, Name: e.App}, wantsOf(e), at)
			newer = true
		}
	}
	return newer
}

// recordedAs is what SSM said, as records have it.
func recordedAs(v facts.Version) externalsecret.Version {
	return externalsecret.Version{Number: v.Number, Modified: v.Modified}
}

// wantsOf is what an ExternalSecret of ours was made by, as far as it says.
func wantsOf(e *eso.ExternalSecret) eso.Wants {
	return eso.Wants{Parameter: e.Parameter(), Secret: e.SecretName(), Store: storeOf(e)}
}
