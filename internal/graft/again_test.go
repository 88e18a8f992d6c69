package graft_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/test/golden"
)

// foreign does to a pod what other admission plug-ins do behind the webhook,
// and before its second call.
func (g generator) foreign(pod *corev1.Pod) {
	for _, list := range []*[]corev1.Container{&pod.Spec.InitContainers, &pod.Spec.Containers} {
		for i := range *list {
			g.foreignEnv(&(*list)[i])
		}
	}
	if g.chance(40) { // an injector of a sidecar
		sidecar := g.container("sidecar")
		sidecar.Env = append(sidecar.Env, corev1.EnvVar{Name: "A", Value: "the sidecar's"})
		if g.chance(50) {
			pod.Spec.InitContainers = append([]corev1.Container{sidecar}, pod.Spec.InitContainers...)
		} else {
			pod.Spec.Containers = append(pod.Spec.Containers, sidecar)
		}
	}
	if g.chance(30) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "token"})
	}
	if g.chance(30) {
		pod.Annotations["example.com/injected"] = "true"
	}
}

func (g generator) foreignEnv(c *corev1.Container) {
	literal := corev1.EnvVar{Name: g.oneOf("A", "B", "C", "D", "E", "P_A"), Value: "foreign"}
	at := slices.IndexFunc(c.Env, named(literal.Name))
	switch g.IntN(8) {
	case 0: // as the injectors for AWS and OpenTelemetry: unless env has the name
		if at < 0 {
			c.Env = append(c.Env, literal)
		}
	case 1: // in front
		c.Env = slices.Insert(c.Env, 0, literal)
	case 2: // whatever is there
		c.Env = append(c.Env, literal)
	case 3: // as a merge by name, which without us would be none with a valueFrom
		if at >= 0 && (c.Env[at].ValueFrom == nil || ofTiers(c.Env[at])) {
			c.Env[at].Value = literal.Value
		}
	case 4: // between ours
		c.Env = slices.Insert(c.Env, g.IntN(len(c.Env)+1), literal)
	case 5:
		c.EnvFrom = append(c.EnvFrom, corev1.EnvFromSource{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "other"}, Optional: new(true),
		}})
	case 6: // as a merge that does not know the list's key
		c.EnvFrom = nil
	}
}

// ofTiers says that an entry takes the key of its name of one of the tiers.
func ofTiers(e corev1.EnvVar) bool {
	switch from := e.ValueFrom; {
	case from.SecretKeyRef != nil:
		return from.SecretKeyRef.Name == "myapp-secrets" && from.SecretKeyRef.Key == e.Name
	case from.ConfigMapKeyRef != nil:
		return from.ConfigMapKeyRef.Name == "myapp-config" && from.ConfigMapKeyRef.Key == e.Name
	}
	return false
}

// FuzzAgain holds the tiers whoever comes after the webhook, as far as it is
// called again: what they add is bound as the author's literals are, and what
// they inject gets nothing of the app's.
func FuzzAgain(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	f.Fuzz(func(t *testing.T, seed uint64) {
		g := generator{rand.New(rand.NewPCG(seed, 2))}
		pod, facts := g.pod(), g.facts()
		_, raw := golden.Apply(t, encode(t, pod, false), engine.Inspect(ns, encode(t, pod, false)).Graft(facts).Operations)
		between := &corev1.Pod{}
		if err := json.Unmarshal(raw, between); err != nil {
			t.Fatal(err)
		}
		g.foreign(between)

		raw = encode(t, between, false)
		subject := engine.Inspect(ns, raw)
		result := subject.Graft(facts)
		_, patched := golden.Apply(t, raw, result.Operations)
		if third := engine.Inspect(ns, patched).Graft(facts); len(third.Operations) > 0 {
			t.Errorf("a third run changes the pod again: %v", third.Operations)
		}
		after := &corev1.Pod{}
		if err := json.Unmarshal(patched, after); err != nil {
			t.Fatal(err)
		}
		wasInit, isInit := between.Spec.InitContainers, after.Spec.InitContainers
		was, is := slices.Concat(wasInit, between.Spec.Containers), slices.Concat(isInit, after.Spec.Containers)
		for i, c := range is {
			if c.Name == "sidecar" {
				if diff := cmp.Diff(was[i], c); diff != "" {
					t.Errorf("another's sidecar was changed: -before, +after:\n%s", diff)
				}
				continue
			}
			if result.Report.Containers[i].Skipped {
				continue
			}
			for _, e := range c.Env {
				if e.Value != "" && e.ValueFrom != nil {
					t.Errorf("container %q: the API server refuses %+v\nbetween: %+v", c.Name, e, was[i].Env)
				}
			}
			checkPrecedence(t, subject, facts, was[i], c)
		}
	})
}

// TestAgain is a pod's second admission, by what happened since the first.
func TestAgain(t *testing.T) {
	const secret, configMap = `{"secretKeyRef":{"key":"A","name":"myapp-secrets"}}`, `{"configMapKeyRef":{"key":"A","name":"myapp-config","optional":true}}`
	const injected = `"envgraft.dev/injected":"ConfigMap/myapp-config,Secret/myapp-secrets"`
	cases := map[string]struct {
		reason      string
		annotations string
		env         string
		parameter   []string
		state       graft.ParameterState
		want        string
	}{
		"LaterLiteral": {
			"A literal that another webhook added behind us gives way.", injected,
			`[{"name":"A","value":"later"}]`,
			[]string{"A"},
			graft.ParameterFound, `[{"name":"A","valueFrom":` + secret + `}]`,
		},
		"Merged": {
			"What merges by name puts its value beside our binding, which the API server refuses: the literal stays below.", injected,
			`[{"name":"A","value":"merged","valueFrom":` + secret + `}]`,
			[]string{"A"},
			graft.ParameterFound, `[{"name":"A","value":"merged"},{"name":"A","valueFrom":` + secret + `}]`,
		},
		"MergedUnknown": {
			"Nor is it refused if SSM cannot be asked the second time.", injected,
			`[{"name":"A","value":"merged","valueFrom":` + secret + `}]`,
			nil, graft.ParameterUnreachable, `[{"name":"A","value":"merged"},{"name":"A","valueFrom":` + secret + `}]`,
		},
		"MergedNotMarked": {
			"A pod that was never admitted has this from its author, and is the API server's to refuse.", "",
			`[{"name":"A","value":"x","valueFrom":` + secret + `}]`,
			[]string{"A"},
			graft.ParameterFound, `[{"name":"A","value":"x","valueFrom":` + secret + `}]`,
		},
		"MergedForeign": {
			"So has one whose valueFrom is not ours.", injected,
			`[{"name":"A","value":"x","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}]`,
			[]string{"A"},
			graft.ParameterFound, `[{"name":"A","value":"x","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}]`,
		},
		"OlderBinding": {
			"A binding of ours to the ConfigMap gives way once the parameter has the key.", injected,
			`[{"name":"A","value":"x"},{"name":"A","valueFrom":` + configMap + `}]`,
			[]string{"A"},
			graft.ParameterFound, `[{"name":"A","valueFrom":` + secret + `},{"name":"A","valueFrom":` + secret + `}]`,
		},
		"OlderBindingAlone": {
			"So does one that had replaced its literal.", injected,
			`[{"name":"A","valueFrom":` + configMap + `}]`,
			[]string{"A"},
			graft.ParameterFound, `[{"name":"A","valueFrom":` + secret + `}]`,
		},
		"ByHand": {
			"By hand, in a pod that was never admitted, it is a choice.", "",
			`[{"name":"A","valueFrom":` + configMap + `}]`,
			[]string{"A"},
			graft.ParameterFound, `[{"name":"A","valueFrom":` + configMap + `}]`,
		},
	}
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			raw := []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{` + tc.annotations + `}},"spec":{"containers":[{"name":"app","env":` + tc.env + `}]}}`)
			facts := graft.Facts{Parameter: graft.Parameter{State: tc.state, Keys: tc.parameter}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound, Keys: []string{"A"}}}
			_, patched := golden.Apply(t, raw, engine.Inspect(ns, raw).Graft(facts).Operations)
			if diff := cmp.Diff(tc.want, envOf(t, patched)); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// envOf writes the env of a pod's first container.
func envOf(t *testing.T, raw []byte) string {
	t.Helper()
	var pod struct {
		Spec struct {
			Containers []struct {
				Env json.RawMessage `json:"env"`
			} `json:"containers"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatal(err)
	}
	return string(pod.Spec.Containers[0].Env)
}

// TestContainersMark says which containers a pod's second admission is for.
func TestContainersMark(t *testing.T) {
	cases := map[string]struct {
		reason, annotations string
		want                map[string]bool
	}{
		"First":    {"At first all are the app's.", ``, map[string]bool{"app": true, "late": true}},
		"Marked":   {"One that was not there is another's.", `"envgraft.dev/injected-containers":"app"`, map[string]bool{"app": true, "late": false}},
		"Stale":    {"A mark of another pod is none: no container would get anything.", `"envgraft.dev/injected-containers":"web"`, map[string]bool{"app": true, "late": true}},
		"Empty":    {"Nor is an empty one.", `"envgraft.dev/injected-containers":""`, map[string]bool{"app": true, "late": true}},
		"Selected": {"What its author names counts.", `"envgraft.dev/injected-containers":"app","envgraft.dev/containers":"late"`, map[string]bool{"app": false, "late": true}},
	}
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			raw := fmt.Appendf(nil, `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{%s}},"spec":{"containers":[{"name":"app"},{"name":"late"}]}}`, tc.annotations)
			got := map[string]bool{}
			for _, c := range engine.Inspect(ns, raw).Graft(graft.Facts{}).Report.Containers {
				got[c.Name] = !c.Skipped
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestComposed is about literals that are made of keys.
func TestComposed(t *testing.T) {
	const secret = `{"secretKeyRef":{"key":"A","name":"myapp-secrets"}}`
	bound := `{"name":"A","valueFrom":` + secret + `}`
	deep := `{"name":"V0","value":"$(A)"},`
	for i := range 300 {
		deep += fmt.Sprintf(`{"name":"V%d","value":"$(V%d)"},`, i+1, i)
	}
	cases := map[string]struct{ reason, env, want string }{
		"Itself":      {"It carries the key already.", `{"name":"A","value":"$(A)?sslmode=require"}`, ""},
		"Through":     {"So it does through another.", `{"name":"X","value":"p $(A)"},{"name":"A","value":"$(X) s"}`, ""},
		"ThroughKey":  {"And through one that takes the key.", `{"name":"X","valueFrom":` + secret + `},{"name":"A","value":"$(X) s"}`, ""},
		"Escaped":     {"$$ is no reference.", `{"name":"A","value":"$$(A)"}`, bound},
		"Unended":     {"Nor is one without its end.", `{"name":"A","value":"$(A"}`, bound},
		"TooLate":     {"The kubelet does not look ahead.", `{"name":"A","value":"$(X)"},{"name":"X","value":"$(A)"}`, bound + `,{"name":"X","value":"$(A)"}`},
		"OtherKey":    {"Another key is not its own.", `{"name":"A","value":"$(B)"}`, bound},
		"ThroughLost": {"Through one that gives way to its own key nothing of A comes.", `{"name":"B","value":"$(A)"},{"name":"A","value":"$(B)"}`, `{"name":"B","valueFrom":` + strings.Replace(secret, `"A"`, `"B"`, 1) + `},` + bound},
		"Twice":       {"The first is bound, and the second made of it.", `{"name":"A","value":"x"},{"name":"A","value":"$(A) y"}`, bound + `,{"name":"A","value":"$(A) y"}`},
		"OfForeign":   {"A valueFrom before it is what it is made of.", `{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"x"}}},{"name":"A","value":"$(A) y"}`, `{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"x"}}},` + bound},
		"TooDeep":     {"A chain longer than any is not followed.", deep + `{"name":"A","value":"$(V300)"}`, deep + bound},
	}
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	facts := graft.Facts{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"A", "B"}}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapNotFound}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			raw := hostilePod("", "app", tc.env)
			_, patched := golden.Apply(t, raw, engine.Inspect(ns, raw).Graft(facts).Operations)
			want := tc.want
			if want == "" {
				want = tc.env
			}
			if diff := cmp.Diff("["+want+"]", envOf(t, patched)); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}

	// While the keys are not known, it is no literal that may shadow one.
	raw := hostilePod("", "app", `{"name":"A","value":"$(A) x"}`)
	unknown := engine.Inspect(ns, raw).Graft(graft.Facts{Parameter: graft.Parameter{State: graft.ParameterUnreachable}}).Report
	for _, w := range unknown.Warnings {
		if w.Reason == graft.WarnUncheckedLiterals {
			t.Errorf("it is right whatever the keys are: %s", w.Message)
		}
	}
}

// TestWindows has names that differ by case only be one variable there.
func TestWindows(t *testing.T) {
	env := `{"name":"Path","value":"x"},{"name":"db_url","value":"x"},{"name":"DB_URL","value":"x"}`
	pod := func(spec string) []byte {
		return []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{` + spec + `"containers":[{"name":"app","env":[` + env + `]}]}}`)
	}
	key := func(key string) string {
		return `"valueFrom":{"secretKeyRef":{"key":"` + key + `","name":"myapp-secrets"}}}`
	}
	windows := `[{"name":"Path",` + key("PATH") + `,{"name":"db_url",` + key("DB_URL") + `,{"name":"DB_URL",` + key("DB_URL") + `]`
	linux := `[{"name":"Path","value":"x"},{"name":"db_url","value":"x"},{"name":"DB_URL",` + key("DB_URL") + `]`
	cases := map[string]struct{ spec, want string }{
		"OS":            {`"os":{"name":"windows"},`, windows},
		"NodeSelector":  {`"nodeSelector":{"kubernetes.io/os":"windows"},`, windows},
		"Linux":         {`"os":{"name":"linux"},"nodeSelector":{"kubernetes.io/os":"linux"},`, linux},
		"Neither":       {``, linux},
		"NoneThatRuns":  {`"os":3,"nodeSelector":[],`, linux},
		"NoneThatRuns2": {`"os":{"name":3},"nodeSelector":null,`, linux},
	}
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	facts := graft.Facts{
		Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"DB_URL", "PATH"}},
		ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound, Keys: []string{"Db_Url"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			raw := pod(tc.spec)
			result := engine.Inspect(ns, raw).Graft(facts)
			_, patched := golden.Apply(t, raw, result.Operations)
			if diff := cmp.Diff(tc.want, envOf(t, patched)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
			if again := engine.Inspect(ns, patched).Graft(facts); len(again.Operations) > 0 {
				t.Errorf("a second run changes the pod again: %v", again.Operations)
			}
			both := slices.ContainsFunc(result.Report.Warnings, func(w graft.Warning) bool { return strings.Contains(w.Message, "differ from keys of") })
			if both != (tc.want == windows) {
				t.Errorf("keys of both tiers that are one variable: warned %t", both)
			}
		})
	}
}
