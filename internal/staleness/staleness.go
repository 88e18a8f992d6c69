// Package staleness decides whether a pod has the environment that the next pod of
// its workload would get. It is pure. Controller, status, explain, doctor and the
// page all use it, each with the objects that it may read.
package staleness

import (
	"fmt"
	"strings"
	"time"

	"github.com/envgraft/envgraft/internal/externalsecret"
)

// DefaultGrace is how long Reloader and a rollout may take to replace the pods of an
// older version before that is worth a word.
const DefaultGrace = 5 * time.Minute

// Outcome is what can be said of a pod.
type Outcome string

// The outcomes.
const (
	// Fresh pods have what the next one would get.
	Fresh Outcome = "Fresh"
	// Stale pods do not, and nothing is about to replace them. Reason says why.
	Stale Outcome = "Stale"
	// Replacing pods have older values, and Reloader or ESO still has time.
	Replacing Outcome = "Replacing"
	// Waiting pods have not started all their containers.
	Waiting Outcome = "Waiting"
	// Unknown is for what cannot be told from what may be read.
	Unknown Outcome = "Unknown"
)

// Reason is why a pod is stale. It is the value of a metric label, so the set is
// closed.
type Reason string

// The reasons.
const (
	// NotInjected was created without the webhook.
	NotInjected Reason = "NotInjected"
	// OtherIdentity was given the objects of another app, system or environment.
	OtherIdentity Reason = "OtherIdentity"
	// ShadowedKey has literals that shadow keys: it was admitted while the keys were not
	// known, or somebody added them after envgraft.
	ShadowedKey Reason = "ShadowedKey"
	// OlderVersion was admitted by an older version of the parameter, and nothing
	// has restarted it.
	OlderVersion Reason = "OlderVersion"
	// OlderObject started before its Secret or ConfigMap changed, where nothing
	// else tells what it has.
	OlderObject Reason = "OlderObject"
)

// Reasons lists all reasons.
func Reasons() []Reason {
	return []Reason{NotInjected, OtherIdentity, ShadowedKey, OlderVersion, OlderObject}
}

// App is what the next pod of a workload would get, as far as it is known.
type App struct {
	// Injects is what graft.Decision.Injects says of the workload's template, and
	// Parameter the parameter's name; empty where the app has none.
	Injects   string
	Parameter string
	// ExternalSecret fills the Secret from the parameter and has its record; nil
	// where none does, or it is of something else.
	ExternalSecret *externalsecret.ExternalSecret
	// SecretSeen says that the Secret is there and its times are known.
	SecretSeen bool
	// Secret and ConfigMap are when they last changed; zero where that is not known.
	Secret, ConfigMap time.Time
	// Grace is how long pods of an older version may stay.
	Grace time.Duration
	Now   time.Time
}

// Pod is a pod of the newest revision of its workload: others are being replaced.
type Pod struct {
	// Injected and Parameter are its marks; empty where it has none.
	Injected  string
	Parameter string
	// Version is by whose keys it was admitted; its number is 0 where they were not
	// known. Seen is when the pod was created.
	Version externalsecret.Version
	// Hidden are keys that its literals hide, as far as that was looked for. They
	// speak of the environment that it has, whatever its marks say.
	Hidden []string
	// ReadsRecorded says that its containers were seen to read the recorded version,
	// whatever it was admitted by: it had waited for the Secret.
	ReadsRecorded bool
	// StartSeen says that its status is known. Started is when the first of its
	// containers started, zero where one has not; WaitsFor is what keeps it.
	StartSeen bool
	Started   time.Time
	WaitsFor  string
}

// Judgement is what can be said of a pod, and by what.
type Judgement struct {
	Outcome Outcome
	// Reason is set where it is Stale, or Replacing.
	Reason Reason
	// Why is for people; empty where nothing is to be said.
	Why string
	// Recheck is when time alone could change the answer; 0 is never.
	Recheck time.Duration
}

// The rule: a pod's marks say by what it was admitted, and the record says what the
// next one would be admitted by; the two are compared where they are of one
// parameter. A pod of the recorded version is stale all the same where its literals
// shadow keys: somebody added them after envgraft. Where a mark or the record is missing,
// times tell: a container reads Secret and ConfigMap when it starts. They come last,
// as the Secret changes with annotations that ESO copies, too.

// Judge judges a pod of the app.
func Judge(a App, p Pod) Judgement {
	for _, rule := range []func(App, Pod) (Judgement, bool){identity, version, hidden, waiting, times} {
		if judged, decided := rule(a, p); decided {
			return judged
		}
	}
	return rest(a, p)
}

func stale(reason Reason, format string, args ...any) (Judgement, bool) {
	return Judgement{Outcome: Stale, Reason: reason, Why: fmt.Sprintf(format, args...)}, true
}

func identity(a App, p Pod) (Judgement, bool) {
	switch {
	case p.Injected == "":
		return stale(NotInjected, "it was created without envgraft; the next one would be injected")
	case p.Injected != a.Injects:
		return stale(OtherIdentity, "it was given %s; the next one gets %s", p.Injected, a.Injects)
	case p.Parameter != a.Parameter:
		return stale(OtherIdentity, "it was given parameter %q; the next one gets %q", p.Parameter, a.Parameter)
	}
	return Judgement{}, false
}

func hidden(_ App, p Pod) (Judgement, bool) {
	if len(p.Hidden) == 0 {
		return Judgement{}, false
	}
	return stale(ShadowedKey, "its own %s shadow keys that the next one would be bound to", strings.Join(p.Hidden, ", "))
}

// record is what the next pod is admitted by; nil where that is not known.
func (a App) record() *externalsecret.Record {
	if a.Parameter == "" || a.ExternalSecret == nil || !a.ExternalSecret.Record.Known() {
		return nil
	}
	return a.ExternalSecret.Record
}

// Unmarked says that a pod's marks do not tell whether its literals shadow keys of the
// parameter: whoever can find out does, before it judges.
func Unmarked(a App, p Pod) bool {
	return a.record() != nil && p.Injected != "" && p.Version.Number == 0
}

// waited is how long before the record a pod was created that is taken to have waited
// for its Secret since. One that was created later may have started before ESO's refresh.
const waited = time.Minute

// StartedWithRecorded says that a pod which was created and started at these times
// waited for its Secret, and read the recorded version of the parameter.
func (a App) StartedWithRecorded(created, started time.Time) bool {
	r := a.record()
	if r == nil || started.IsZero() {
		return false
	}
	has := latest(r.AsOf, r.Since)
	return !started.Before(has) && created.Before(has.Add(-waited))
}

func version(a App, p Pod) (Judgement, bool) {
	r := a.record()
	if r == nil || p.Version.Number == 0 && r.Modified.IsZero() {
		return Judgement{}, false
	}
	older := r.At().After(p.Version)
	if p.Version.Number == 0 { // its version is not known: only times tell
		older = r.Modified.After(p.Version.Seen)
	}
	switch {
	case p.Version.Number == 0 && (!older || len(p.Hidden) > 0 || len(r.Keys) == 0):
		return Judgement{}, false
	case !a.ExternalSecret.Answered() && !a.ExternalSecret.Status.RefreshTime.IsZero():
		return a.unanswered(p, older)
	case older && p.ReadsRecorded:
		return Judgement{}, false
	case older && p.Version.Number == 0:
		return a.older(latest(r.AsOf, r.Since), "it was created before version %d of the parameter, at %s", r.Version, stamp(r.Modified))
	case older:
		return a.older(latest(r.AsOf, r.Since), "it was admitted by version %d of the parameter, which is at %d", p.Version.Number, r.Version)
	case !r.Since.IsZero() && p.Version.Seen.Before(r.Since.Add(-time.Second)):
		// Since is a second after ESO began its refresh. A pod that was created in that
		// second was created because of it, or starts after it.
		return a.older(r.Since, "it was admitted by version %d of the parameter before the Secret had it, at %s", r.Version, stamp(r.Since))
	}
	return Judgement{}, false
}

// unanswered is for pods while the Secret lacks the version that SSM has: a restart
// would change nothing.
func (a App) unanswered(p Pod, older bool) (Judgement, bool) {
	r, since := a.ExternalSecret.Record, a.ExternalSecret.UnansweredSince(a.Now)
	if !older && p.StartSeen && p.Started.IsZero() {
		return Judgement{}, false // it has read nothing yet
	}
	if since.IsZero() {
		return Judgement{Outcome: Replacing, Reason: OlderVersion, Recheck: a.ExternalSecret.AnswerDue(a.Now), Why: fmt.Sprintf(
			"the Secret is about to get version %d of the parameter", r.Version)}, true
	}
	return Judgement{Outcome: Replacing, Reason: OlderVersion, Why: fmt.Sprintf(
		"the Secret lacks version %d of the parameter: the External Secrets Operator has not answered since %s", r.Version, stamp(since))}, true
}

// older is for a pod that has what was before since: first it is Reloader's turn.
func (a App) older(since time.Time, format string, args ...any) (Judgement, bool) {
	why := fmt.Sprintf(format, args...)
	if wait := since.Add(a.Grace).Sub(a.Now); wait > 0 {
		return Judgement{Outcome: Replacing, Reason: OlderVersion, Why: why, Recheck: wait}, true
	}
	return Judgement{Outcome: Stale, Reason: OlderVersion, Why: why}, true
}

func waiting(_ App, p Pod) (Judgement, bool) {
	if !p.StartSeen || !p.Started.IsZero() {
		return Judgement{}, false
	}
	why := p.WaitsFor
	if why == "" {
		why = "its containers have not started"
	}
	return Judgement{Outcome: Waiting, Why: why}, true
}

func times(a App, p Pod) (Judgement, bool) {
	if !p.StartSeen {
		return Judgement{}, false
	}
	secret := a.Secret
	if a.admitted(p) {
		secret = time.Time{} // its version tells, and annotations may have changed since
	}
	for _, object := range []struct {
		what    string
		changed time.Time
	}{{"Secret", secret}, {"ConfigMap", a.ConfigMap}} {
		if !p.Started.Before(object.changed) {
			continue
		}
		judged, _ := a.older(object.changed, "it started at %s, and the %s changed at %s", stamp(p.Started), object.what, stamp(object.changed))
		judged.Reason = OlderObject
		return judged, true
	}
	return Judgement{}, false
}

// admitted says that the pod was admitted by the version that is recorded.
func (a App) admitted(p Pod) bool {
	r := a.record()
	return r != nil && p.Version.Number == r.Version
}

// rest is for a pod that nothing speaks against.
func rest(a App, p Pod) Judgement {
	switch {
	case a.admitted(p):
		return Judgement{Outcome: Fresh, Why: fmt.Sprintf("it was admitted by version %d of the parameter", p.Version.Number)}
	case a.Parameter == "", a.SecretSeen && p.StartSeen:
		return Judgement{Outcome: Fresh}
	}
	return Judgement{Outcome: Unknown, Why: "neither the Secret's age nor the parameter's version is known"}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
