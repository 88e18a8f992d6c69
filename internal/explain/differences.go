package explain

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// compare says of each running pod in what the next one will differ.
func (c Explainer) compare(ctx context.Context, app *clusterview.App, next *Explanation) {
	for i, pod := range app.Pods.Value {
		raw, err := json.Marshal(map[string]any{"spec": pod.Spec})
		if err != nil || pod.Ended() {
			continue
		}
		report := RunningReport(app.Subject, pod.Injected())
		have, err := c.subject(ctx, app, report, raw).containers()
		if err == nil {
			next.Live.Pods[i].Differs = slices.DeleteFunc(differences(have, next.Containers), notSaid(app))
		}
	}
}

// notSaid knows differences that are none of envgraft's, or that may be none:
// what could not be read must not look as if the next pod had it otherwise.
func notSaid(app *clusterview.App) func(Change) bool {
	others, facts := othersDoing(app.Subject.Identity), app.Facts()
	id := app.Subject.Identity
	return func(c Change) bool {
		of := func(object string) bool { return c.Was == object || strings.HasPrefix(c.Was, object+"[") }
		switch {
		case others(c):
			return true
		case of(envresolve.KindSecret + "/" + id.Secret):
			return !facts.Parameter.Known() && app.Subject.Settings.Secrets
		case of(envresolve.KindConfigMap + "/" + id.ConfigMap):
			return facts.ConfigMap.State == graft.ConfigMapUnknown
		}
		return false
	}
}

// unreadNote says which differences are not said for want of a right.
func unreadNote(app *clusterview.App) string {
	facts, id := app.Facts(), app.Subject.Identity
	var unread []string
	if app.Subject.Status != graft.StatusInjected {
		return ""
	}
	if app.Subject.Settings.Secrets && !facts.Parameter.Known() {
		unread = append(unread, "parameter "+id.Parameter)
	}
	if facts.ConfigMap.State == graft.ConfigMapUnknown {
		unread = append(unread, "ConfigMap "+id.ConfigMap)
	}
	if len(unread) == 0 {
		return ""
	}
	return "the keys of " + strings.Join(unread, " and ") + " are not known, so whether variables of running pods change is not known either"
}

// othersDoing knows what is in a pod and neither in its template nor of the
// app's own objects: other webhooks, as a cloud's for identities, put it there.
func othersDoing(id identity.Identity) func(Change) bool {
	return func(c Change) bool {
		if c.Becomes != "" {
			return false
		}
		for _, own := range []string{envresolve.KindSecret + "/" + id.Secret, envresolve.KindConfigMap + "/" + id.ConfigMap} {
			if c.Was == own || strings.HasPrefix(c.Was, own+"[") {
				return false
			}
		}
		return true
	}
}
