package clusterview

import (
	"fmt"
	"time"

	"github.com/envgraft/envgraft/internal/graft"
)

// Freshness says which data a pod runs with.
type Freshness string

// The answers.
const (
	Fresh Freshness = "fresh"
	// Stale pods run with data that has changed since.
	Stale Freshness = "stale"
	// Bare pods were never injected, though the next one would be.
	Bare Freshness = "not injected"
	// Waiting pods have not started all their containers.
	Waiting Freshness = "waiting"
	// Unsure is for what cannot be told from what may be read.
	Unsure Freshness = "not known"
)

// Judgement is what can be said of a pod, and by what.
type Judgement struct {
	Freshness Freshness
	Why       string
}

// The rule: a pod that was admitted by an older version of the parameter than
// the recorded is stale, and by the same it is not. Where one of the two is not
// known, times tell: a container reads Secret and ConfigMap when it starts. They
// come second, as the Secret's changes with its annotations, too, which ESO
// copies from the ExternalSecret.

// Judge says how fresh a pod of the app is.
func (a *App) Judge(p Pod) Judgement {
	if !a.Decided() {
		return Judgement{Unsure, "the labels of its namespace are not known"}
	}
	if a.Subject.Status != graft.StatusInjected {
		return Judgement{Unsure, "envgraft has no part in it: " + a.Subject.Message}
	}
	if !p.Injected() {
		return Judgement{Bare, "it was created without envgraft; the next one would be injected"}
	}
	if have, want := p.Version(), a.Version(); have > 0 && have < want {
		return Judgement{Stale, fmt.Sprintf("it was admitted by version %d of the parameter, which is at %d", have, want)}
	}
	started := p.oldestStart()
	if p.Partial {
		return a.fresh(p) // when it started was not read
	}
	if reason, message := p.Waiting(); started.IsZero() {
		return Judgement{Waiting, join(reason, message)}
	}
	secretChanged := a.SecretChanged()
	if p.Version() > 0 && p.Version() == a.Version() {
		secretChanged = time.Time{}
	}
	for _, object := range []struct {
		what    string
		changed time.Time
	}{
		{"Secret " + a.Subject.Identity.Secret, secretChanged},
		{"ConfigMap " + a.Subject.Identity.ConfigMap, a.ConfigMap.Value.Changed},
	} {
		if started.Before(object.changed) {
			return Judgement{Stale, fmt.Sprintf("it started at %s, and %s changed at %s",
				stamp(started), object.what, stamp(object.changed))}
		}
	}
	return a.fresh(p)
}

// fresh is for a pod that nothing speaks against.
func (a *App) fresh(p Pod) Judgement {
	switch {
	case !a.Subject.Settings.Secrets, a.Secret.State == Found:
		return Judgement{Fresh, ""}
	case p.Version() > 0 && p.Version() == a.Version():
		return Judgement{Fresh, fmt.Sprintf("it was admitted by version %d of the parameter", p.Version())}
	}
	return Judgement{Unsure, "neither the Secret's age nor the parameter's version is known"}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func join(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}
