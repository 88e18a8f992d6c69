package clusterview

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

func TestParseRef(t *testing.T) {
	for text, want := range map[string]string{
		"deploy/x":             "deployment.apps/x",
		"deployments.apps/x":   "deployment.apps/x",
		"Deployment.v1.apps/x": "deployment.apps/x",
		"ro/x":                 "rollout.argoproj.io/x",
		"cj/x":                 "cronjob.batch/x",
		"pod/x":                "pod/x",
		"po/x":                 "pod/x",
		"svc/x":                "", // it has no pods
		"x":                    "",
		"deploy/":              "",
		"deployments.batch/x":  "",
	} {
		ref, err := ParseRef("shop", text)
		got := ""
		if err == nil {
			got = ref.String()
		}
		if got != want {
			t.Errorf("ParseRef(%q): got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestJudge(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	pod := func(version string, started int) Pod {
		p := Pod{Metadata: metav1.ObjectMeta{Annotations: map[string]string{}}}
		if version != "bare" {
			p.Metadata.Annotations[api.AnnotationInjected] = "ConfigMap/x-config,Secret/x-secrets"
			p.Metadata.Annotations[api.AnnotationParameter] = "/shop/x/stage/app"
		}
		if version != "" && version != "bare" {
			p.Metadata.Annotations[api.AnnotationParameterVersion] = version
		}
		if started > 0 {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at(started))}}}}
		}
		return p
	}
	recorded := &ExternalSecret{Record: externalsecret.ParseRecord(`{"parameter":"/shop/x/stage/app","version":3,"asOf":"2026-01-01T12:00:00Z","keys":["A"]}`)}
	recorded.Spec.DataFrom = []externalsecret.DataFrom{{Extract: &externalsecret.Extract{Key: "/shop/x/stage/app"}}}
	recorded.Status.RefreshTime = metav1.NewTime(at(12))
	shadowing := pod("3", 13)
	shadowing.Metadata.Labels = map[string]string{api.LabelApp: "x"}
	shadowing.Spec.Containers = []corev1.Container{{Name: "app", Env: []corev1.EnvVar{{Name: "A", Value: "added by another webhook"}}}}
	prod := pod("9", 13)
	prod.Metadata.Annotations[api.AnnotationParameter] = "/shop/x/prod/app"
	seen := Seen[Secret]{State: Found, Value: Secret{Changed: at(12)}}
	for name, tc := range map[string]struct {
		reason    string
		pod       Pod
		record    *ExternalSecret
		secret    Seen[Secret]
		configMap time.Time
		want      Freshness
	}{
		"ShadowsKey":      {"a literal that came after envgraft shadows a key, whatever the mark says", shadowing, recorded, seen, at(1), Stale},
		"OtherParameter":  {"versions of two parameters are not compared", prod, recorded, seen, at(1), Stale},
		"Uninjected":      {"only its annotation says that a pod was injected", pod("bare", 13), recorded, seen, at(1), Uninjected},
		"OlderVersion":    {"an older version is surely stale", pod("2", 13), recorded, seen, at(1), Stale},
		"StartedBefore":   {"a container reads the Secret when it starts", pod("", 11), recorded, seen, at(1), Stale},
		"SameVersion":     {"an annotation that ESO copies changes the Secret, too", pod("3", 11), recorded, seen, at(1), Fresh},
		"ConfigMapSince":  {"and the ConfigMap likewise", pod("3", 13), recorded, seen, at(14), Stale},
		"Fresh":           {"started after both", pod("3", 13), recorded, seen, at(1), Fresh},
		"NoSecretRight":   {"the version stands in for a Secret that may not be read", pod("3", 13), recorded, Seen[Secret]{State: Forbidden}, at(1), Fresh},
		"NothingRecorded": {"nobody knows", pod("", 13), nil, Seen[Secret]{State: Forbidden}, at(1), Unsure},
		"NotStarted":      {"it has read nothing yet", pod("3", 0), recorded, seen, at(1), Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			a := app(t)
			a.ExternalSecret, a.Secret, a.Now, a.Settings.Assumed = tc.record, tc.secret, at(20), ""
			a.ConfigMap = Seen[ConfigMap]{State: Found, Value: ConfigMap{Changed: tc.configMap}}
			if got := a.Judge(tc.pod); got.Freshness != tc.want {
				t.Errorf("%s: got %+v, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

// app is one that the engine injects.
func app(t *testing.T) *App {
	t.Helper()
	settings := assume("nobody looked", false)
	ns := identity.Namespace{Name: "shop", Labels: map[string]string{api.LabelInject: api.Enabled}}
	a := &App{Settings: settings, Namespace: Seen[identity.Namespace]{State: Found, Value: ns}}
	a.Subject = graft.New(settings.Configuration.Engine()).Inspect(ns, []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"x"}},"spec":{}}`))
	if a.Subject.Status != graft.StatusInjected {
		t.Fatalf("the engine says %s: %s", a.Subject.Status, a.Subject.Message)
	}
	return a
}

func TestStoreOpens(t *testing.T) {
	ns := identity.Namespace{Name: "shop", Labels: map[string]string{"team": "a"}}
	for name, tc := range map[string]struct {
		conditions externalsecret.StoreConditions
		want       bool
	}{
		"None":     {nil, true},
		"Named":    {externalsecret.StoreConditions{{Namespaces: []string{"shop"}}}, true},
		"Others":   {externalsecret.StoreConditions{{Namespaces: []string{"other"}}}, false},
		"Second":   {externalsecret.StoreConditions{{Namespaces: []string{"other"}}, {NamespaceRegexes: []string{"^sh"}}}, true},
		"Labels":   {externalsecret.StoreConditions{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}}}, true},
		"NoLabels": {externalsecret.StoreConditions{{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "b"}}}}, false},
	} {
		var s Store
		s.Spec.Conditions = tc.conditions
		if got := s.Opens(ns); got != tc.want {
			t.Errorf("%s: open is %t, want %t", name, got, tc.want)
		}
	}
}
