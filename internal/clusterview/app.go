package clusterview

import (
	"context"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// App is what could be seen of a workload and of what its environment is made
// of. The fields below Subject are looked for only where the engine would
// inject the template.
type App struct {
	Settings  Settings
	Workload  Workload
	Namespace Seen[identity.Namespace]
	Pods      Seen[[]Pod]
	// Failure is why pods cannot be created, as the workload's controller was
	// told; empty where they can.
	Failure string

	// Now is when pods are judged; zero is when they are asked for.
	Now time.Time

	// Subject is the template as the engine decides on it.
	Subject *graft.Subject

	ConfigMap       Seen[ConfigMap]
	ExternalSecrets Seen[ExternalSecrets]
	// ExternalSecret fills the Secret, or would; nil where there is none.
	ExternalSecret *ExternalSecret
	Secret         Seen[Secret]
}

// Given is what goes before the cluster's: what is about to be applied.
type Given struct {
	// Namespace is nil where the cluster's counts.
	Namespace *identity.Namespace
	// ConfigMaps are their data, by name.
	ConfigMaps map[string]map[string]string
}

// App reads a workload's surroundings.
func (r *Reader) App(ctx context.Context, settings Settings, w Workload) *App {
	return r.AppWith(ctx, settings, w, Given{})
}

// AppWith is App with some of them given.
func (r *Reader) AppWith(ctx context.Context, settings Settings, w Workload, given Given) *App {
	a := &App{Settings: settings, Workload: w, Pods: r.Pods(ctx, w), Failure: failure(ctx, r, w)}
	if given.Namespace != nil {
		a.Namespace = Seen[identity.Namespace]{State: Found, Value: *given.Namespace}
	} else {
		a.Namespace = r.Namespace(ctx, w.Namespace)
	}
	a.Subject = graft.New(settings.Configuration.Engine()).Inspect(a.identityNamespace(), w.Template)
	id := a.Subject.Identity
	if a.Subject.Status != graft.StatusInjected {
		return a
	}
	if data, ok := given.ConfigMaps[id.ConfigMap]; ok {
		a.ConfigMap = Seen[ConfigMap]{State: Found, Value: ConfigMap{Data: data}}
	} else {
		a.ConfigMap = r.ConfigMap(ctx, w.Namespace, id.ConfigMap)
	}
	if !a.Subject.Settings.Secrets {
		return a
	}
	a.ExternalSecrets = r.ExternalSecrets(ctx, w.Namespace)
	a.ExternalSecret = a.ExternalSecrets.Value.Filling(w.Namespace, id.ExternalSecret, id.Secret)
	a.Secret = r.Secret(ctx, w.Namespace, id.Secret)
	return a
}

// identityNamespace is the Namespace as far as it is known.
func (a *App) identityNamespace() identity.Namespace {
	if a.Namespace.State == Found {
		return a.Namespace.Value
	}
	return identity.Namespace{Name: a.Workload.Namespace}
}

// Decided says that the engine's decision is certain. It would be another if the
// Namespace opted in, whose labels may not be read.
func (a *App) Decided() bool {
	return a.Namespace.State == Found || a.Subject.Reason != graft.ReasonNotOptedIn
}

// Facts are what the engine may know of the world by what was seen: the
// recorded keys, else those of the Secret.
func (a *App) Facts() graft.Facts {
	return graft.Facts{ConfigMap: ConfigMapFacts(a.ConfigMap), Parameter: a.parameter()}
}

func (a *App) parameter() graft.Parameter {
	if a.Subject.Status != graft.StatusInjected || !a.Subject.Settings.Secrets {
		return graft.Parameter{State: graft.ParameterUnchecked, Cause: "the app has none"}
	}
	if record, ok := a.Record(); ok {
		if !record.Known() {
			return graft.Parameter{State: record.State}
		}
		return parameterOf(record.Keys)
	}
	switch a.Secret.State {
	case Found:
		return parameterOf(a.Secret.Value.Keys)
	case NotFound:
		return graft.Parameter{State: graft.ParameterUnchecked, Cause: "nothing recorded its keys, and there is no Secret yet"}
	case Unasked, Forbidden, Failed:
	}
	return graft.Parameter{State: graft.ParameterUnchecked, Cause: "nothing recorded its keys, and " + a.Secret.unknown()}
}

func parameterOf(keys []string) graft.Parameter {
	if len(keys) == 0 {
		return graft.Parameter{State: graft.ParameterEmpty}
	}
	return graft.Parameter{State: graft.ParameterFound, Keys: keys}
}

// Record is what envgraft noted of the keys of the app's parameter.
func (a *App) Record() (externalsecret.Record, bool) {
	if a.ExternalSecret == nil {
		return externalsecret.Record{}, false
	}
	e := a.ExternalSecret
	if r := e.Record; r != nil && r.Parameter == a.Subject.Identity.Parameter && r.Parameter == e.Parameter() &&
		(r.Store == "" || r.Store == e.Spec.SecretStoreRef.String()) {
		return *r, true
	}
	return externalsecret.Record{}, false
}

// Version is the parameter's newest version that is known; 0 where none is.
func (a *App) Version() int64 {
	record, _ := a.Record()
	return record.Version
}

// SecretChanged is when the Secret last changed; zero where that is not known.
func (a *App) SecretChanged() time.Time { return a.Secret.Value.Changed }

// Rotated is since when the parameter has been as it is, as far as that is
// known: envgraft writes a record when it first sees a version.
func (a *App) Rotated() time.Time {
	if record, ok := a.Record(); ok {
		return record.AsOf
	}
	return a.SecretChanged()
}

// UnansweredSince is when ESO was asked for a refresh that it has not answered; zero
// where it has, or still has time.
func (a *App) UnansweredSince() time.Time {
	if a.ExternalSecret == nil {
		return time.Time{}
	}
	return a.ExternalSecret.UnansweredSince(a.now())
}

// OptedIn says that the workload itself has the label that opts in.
func (w Workload) OptedIn() bool { return w.Labels[api.LabelInject] == api.Enabled }
