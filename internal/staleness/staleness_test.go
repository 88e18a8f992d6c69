package staleness

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

const (
	injects   = "ConfigMap/shop-config,Secret/shop-secrets"
	parameter = "/popapps/shop/stage/app"
)

func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// app is one whose parameter got version 3 at noon, an hour ago.
func app(change ...func(*App)) App {
	e := &externalsecret.ExternalSecret{Record: &externalsecret.Record{
		Parameter: parameter, Version: 3, Modified: noon(), AsOf: noon(), Keys: []string{"KEY"},
	}}
	e.Spec.Target.Name = "shop-secrets"
	e.Status.RefreshTime = metav1.NewTime(noon())
	a := App{Injects: injects, Parameter: parameter, ExternalSecret: e, Grace: DefaultGrace, Now: noon().Add(time.Hour)}
	for _, c := range change {
		c(&a)
	}
	return a
}

// pod is one that was created at eleven.
func pod(change ...func(*Pod)) Pod {
	p := Pod{Injected: injects, Parameter: parameter, Version: externalsecret.Version{Number: 3, Modified: noon(), Seen: noon().Add(-time.Hour)}}
	for _, c := range change {
		c(&p)
	}
	return p
}

func admittedBy(number int64, modified time.Time) func(*Pod) {
	return func(p *Pod) { p.Version.Number, p.Version.Modified = number, modified }
}

func startedAt(at time.Time) func(*Pod) {
	return func(p *Pod) { p.StartSeen, p.Started = true, at }
}

func recorded(change func(*externalsecret.ExternalSecret)) func(*App) {
	return func(a *App) { change(a.ExternalSecret) }
}

func TestJudge(t *testing.T) {
	before := noon().Add(-time.Hour)
	unmarked := admittedBy(0, time.Time{})
	nothingRecorded := func(a *App) { a.ExternalSecret = nil }
	noParameter := func(a *App) { a.Injects, a.Parameter, a.ExternalSecret = "ConfigMap/shop-config", "", nil }
	lacking := recorded(func(e *externalsecret.ExternalSecret) { e.Status.RefreshTime = metav1.NewTime(before) })
	at := func(now time.Time) func(*App) { return func(a *App) { a.Now = now } }
	for _, test := range []struct {
		reason  string
		app     App
		pod     Pod
		outcome Outcome
		why     Reason
		says    string
		recheck time.Duration
	}{
		{"it has no mark", app(), pod(func(p *Pod) { p.Injected = "" }), Stale, NotInjected, "without envgraft", 0},
		{"its app had another name", app(), pod(func(p *Pod) { p.Injected = "Secret/other-secrets" }), Stale, OtherIdentity, "Secret/other-secrets", 0},
		{"versions of two parameters are not compared: by number it is newer", app(), pod(func(p *Pod) { p.Parameter, p.Version.Number = "/popapps/shop/prod/app", 9 }), Stale, OtherIdentity, "/popapps/shop/prod/app", 0},
		{"nor where it is older", app(), pod(func(p *Pod) { p.Parameter, p.Version.Number = "/popapps/shop/prod/app", 2 }), Stale, OtherIdentity, "", 0},
		{"it has a literal that somebody added after envgraft, whatever its mark says", app(), pod(func(p *Pod) { p.Hidden = []string{"KEY"} }), Stale, ShadowedKey, "KEY", 0},
		{"admitted while the keys were not known, it hides one", app(), pod(unmarked, func(p *Pod) { p.Hidden = []string{"KEY"} }), Stale, ShadowedKey, "KEY", 0},
		{"the version that is recorded", app(), pod(), Fresh, "", "version 3", 0},
		{"an older version", app(), pod(admittedBy(2, before)), Stale, OlderVersion, "version 2 of the parameter, which is at 3", 0},
		{"an older version, while Reloader still has time", app(at(noon().Add(time.Minute))), pod(admittedBy(2, before)), Replacing, OlderVersion, "", 4 * time.Minute},
		{"the parameter was created again: a lower number is the newer version", app(recorded(func(e *externalsecret.ExternalSecret) { e.Record.Version = 1 })), pod(admittedBy(3, before)), Stale, OlderVersion, "version 3 of the parameter, which is at 1", 0},
		{"so with a pod from before the time of modification was marked", app(recorded(func(e *externalsecret.ExternalSecret) { e.Record.Version = 1 })), pod(admittedBy(3, time.Time{})), Stale, OlderVersion, "", 0},
		{"a record from before the time of modification was recorded", app(recorded(func(e *externalsecret.ExternalSecret) { e.Record.Modified = time.Time{} })), pod(admittedBy(2, time.Time{})), Stale, OlderVersion, "", 0},
		{"a version that this replica has not seen recorded yet", app(), pod(admittedBy(4, noon().Add(time.Minute))), Unknown, "", "", 0},
		{"the Secret is about to get the new version", app(lacking, at(noon().Add(time.Second))), pod(admittedBy(2, before)), Replacing, OlderVersion, "about to get version 3", time.Minute},
		{"ESO does not answer: a restart would change nothing", app(lacking), pod(admittedBy(2, before)), Replacing, OlderVersion, "has not answered since 2026-01-01T12:00:00Z", 0},
		{"nor has a pod that was admitted by the new one got it", app(lacking), pod(startedAt(noon().Add(time.Minute))), Replacing, OlderVersion, "lacks version 3", 0},
		{"but for one that has read nothing yet", app(lacking), pod(startedAt(time.Time{}), func(p *Pod) { p.WaitsFor = "CreateContainerConfigError: couldn't find key KEY" }), Waiting, "", "couldn't find key KEY", 0},
		{"ESO answered late, and the pod started before", app(recorded(func(e *externalsecret.ExternalSecret) {
			e.Record.Since = noon().Add(30 * time.Minute)
			e.Status.RefreshTime = metav1.NewTime(noon().Add(30 * time.Minute))
		})), pod(func(p *Pod) { p.Version.Seen = noon().Add(time.Second) }), Stale, OlderVersion, "before the Secret had it", 0},
		{"ESO answered late, and the pod came after", app(recorded(func(e *externalsecret.ExternalSecret) {
			e.Record.Since = noon().Add(30 * time.Minute)
			e.Status.RefreshTime = metav1.NewTime(noon().Add(30 * time.Minute))
		})), pod(func(p *Pod) { p.Version.Seen = noon().Add(31 * time.Minute) }), Fresh, "", "", 0},
		{"it has read nothing yet", app(), pod(startedAt(time.Time{})), Waiting, "", "have not started", 0},
		{"a waiting pod of an older version would start with the newer values, but bound by older keys", app(), pod(admittedBy(2, before), startedAt(time.Time{})), Stale, OlderVersion, "", 0},
		{"the Secret changed after it started", app(nothingRecorded, func(a *App) { a.SecretSeen, a.Secret = true, noon() }), pod(unmarked, startedAt(before)), Stale, OlderObject, "the Secret changed at", 0},
		{"and Reloader still has time", app(nothingRecorded, at(noon().Add(time.Minute)), func(a *App) { a.SecretSeen, a.Secret = true, noon() }), pod(unmarked, startedAt(before)), Replacing, OlderObject, "", 4 * time.Minute},
		{"an annotation that ESO copies changes the Secret, too: the version tells", app(func(a *App) { a.SecretSeen, a.Secret = true, noon() }), pod(startedAt(before)), Fresh, "", "version 3", 0},
		{"the ConfigMap changed after it started", app(func(a *App) { a.ConfigMap = noon() }), pod(startedAt(before)), Stale, OlderObject, "the ConfigMap changed at", 0},
		{"started after the Secret changed", app(nothingRecorded, func(a *App) { a.SecretSeen, a.Secret = true, before }), pod(unmarked, startedAt(noon())), Fresh, "", "", 0},
		{"an app without a parameter", app(noParameter), pod(unmarked, func(p *Pod) { p.Injected, p.Parameter = "ConfigMap/shop-config", "" }), Fresh, "", "", 0},
		{"nothing tells", app(nothingRecorded), pod(unmarked), Unknown, "", "neither", 0},
		{"the parameter has no keys to compare with", app(recorded(func(e *externalsecret.ExternalSecret) { e.Record.State = "NotFound" })), pod(unmarked), Unknown, "", "neither", 0},
	} {
		t.Run(test.reason, func(t *testing.T) {
			got := Judge(test.app, test.pod)
			if got.Outcome != test.outcome || got.Reason != test.why || !strings.Contains(got.Why, test.says) {
				t.Errorf("got %+v, want %s %s with %q", got, test.outcome, test.why, test.says)
			}
			if (got.Recheck - test.recheck).Abs() > time.Second { // ESO's times are whole seconds
				t.Errorf("it is looked at again in %s, want %s", got.Recheck, test.recheck)
			}
		})
	}
}

func TestUnmarked(t *testing.T) {
	if !Unmarked(app(), pod(admittedBy(0, time.Time{}))) {
		t.Error("nothing says by which keys it was admitted")
	}
	if Unmarked(app(), pod()) || Unmarked(app(func(a *App) { a.ExternalSecret = nil }), pod(admittedBy(0, time.Time{}))) {
		t.Error("a pod with a mark, or without a record to compare with, costs a look at its template")
	}
}

func TestMarked(t *testing.T) {
	for _, test := range []struct {
		reason      string
		annotations map[string]string
		want        externalsecret.Version
	}{
		{
			"all marks",
			map[string]string{api.AnnotationParameterVersion: "3", api.AnnotationParameterModified: "2026-01-01T12:00:00.5Z"},
			externalsecret.Version{Number: 3, Modified: noon().Add(500 * time.Millisecond), Seen: noon()},
		},
		{"of an earlier release", map[string]string{api.AnnotationParameterVersion: "3"}, externalsecret.Version{Number: 3, Seen: noon()}},
		{"none", nil, externalsecret.Version{Seen: noon()}},
		{"no number", map[string]string{api.AnnotationParameterVersion: "x", api.AnnotationParameterModified: "2026-01-01T12:00:00Z"}, externalsecret.Version{Seen: noon()}},
		{"a number that none has", map[string]string{api.AnnotationParameterVersion: "-1"}, externalsecret.Version{Seen: noon()}},
		{"no time", map[string]string{api.AnnotationParameterVersion: "3", api.AnnotationParameterModified: "x"}, externalsecret.Version{Number: 3, Seen: noon()}},
	} {
		got := Marked(func(key string) string { return test.annotations[key] }, noon())
		if diff := cmp.Diff(test.want, got.Version); diff != "" {
			t.Errorf("%s: -want +got\n%s", test.reason, diff)
		}
	}
}
