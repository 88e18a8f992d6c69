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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/test/golden"
)

// generator makes pods and facts out of few names, so that they collide.
type generator struct{ *rand.Rand }

func (g generator) oneOf(values ...string) string { return values[g.IntN(len(values))] }
func (g generator) chance(percent int) bool       { return g.IntN(100) < percent }

func (g generator) keys() []string {
	var keys []string
	for _, k := range []string{"A", "B", "C", "D", "P_A"} {
		if g.chance(50) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (g generator) envFrom() corev1.EnvFromSource {
	from := corev1.EnvFromSource{Prefix: g.oneOf("", "", "", "P_")}
	name := corev1.LocalObjectReference{Name: g.oneOf("myapp-secrets", "myapp-config", "other")}
	var optional *bool
	if g.chance(50) {
		value := g.chance(50)
		optional = &value
	}
	if g.chance(50) {
		from.SecretRef = &corev1.SecretEnvSource{LocalObjectReference: name, Optional: optional}
	} else {
		from.ConfigMapRef = &corev1.ConfigMapEnvSource{LocalObjectReference: name, Optional: optional}
	}
	return from
}

func (g generator) env() corev1.EnvVar {
	e := corev1.EnvVar{Name: g.oneOf("A", "B", "C", "D", "E", "P_A")}
	switch g.IntN(6) {
	case 0: // the empty string
	case 1:
		e.ValueFrom = &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}
	case 2:
		e.ValueFrom = &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: g.oneOf("myapp-secrets", "other")}, Key: g.oneOf("A", "B"),
		}}
	default:
		e.Value = g.oneOf("x", "$(A) y", "$(B)$(C)", "z", "$$(A)")
	}
	return e
}

func (g generator) container(name string) corev1.Container {
	c := corev1.Container{Name: name, Image: "i"}
	for range g.IntN(4) {
		c.EnvFrom = append(c.EnvFrom, g.envFrom())
	}
	for range g.IntN(5) {
		c.Env = append(c.Env, g.env())
	}
	return c
}

func (g generator) pod() *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.LabelName: "myapp"}, Annotations: map[string]string{}}}
	pod.Spec.InitContainers = []corev1.Container{g.container("init"), g.container("istio-init")}
	pod.Spec.Containers = []corev1.Container{g.container("app"), g.container("istio-proxy"), g.container("worker")}
	if g.chance(20) {
		pod.Annotations[api.AnnotationKeep] = g.oneOf("A", "B,C")
	}
	if g.chance(10) {
		pod.Annotations[api.AnnotationSecrets] = api.Disabled
	}
	if g.chance(30) {
		pod.Annotations[api.AnnotationSecretOptional] = "true"
	}
	if g.chance(20) {
		pod.Annotations[api.AnnotationConfigMapRequired] = "true"
	}
	if g.chance(10) {
		pod.Annotations[api.AnnotationContainers] = "app,istio-init"
	}
	return pod
}

func (g generator) facts() graft.Facts {
	facts := graft.Facts{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: g.keys()}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound, Keys: g.keys()}}
	if len(facts.Parameter.Keys) == 0 {
		facts.Parameter.State = graft.ParameterEmpty
	}
	return facts
}

// withUnknownFields puts a field that no API knows into every object of a
// document.
func withUnknownFields(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = withUnknownFields(v[key])
		}
		_, isEnv := v["value"]
		_, isContainer := v["image"]
		if isEnv || isContainer || v["containers"] != nil || v["spec"] != nil {
			v["zz"] = json.Number("12345678901234567890")
		}
	case []any:
		for i := range v {
			v[i] = withUnknownFields(v[i])
		}
	}
	return value
}

// FuzzGraft holds what the product promises, for any pod and any facts.
func FuzzGraft(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, seed%2 == 0)
	}
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	f.Fuzz(func(t *testing.T, seed uint64, unknown bool) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		pod, facts := g.pod(), g.facts()
		raw := encode(t, pod, unknown)

		subject := engine.Inspect(ns, raw)
		result := subject.Graft(facts)
		if result.Report.Status != graft.StatusInjected {
			t.Fatalf("not injected: %s", result.Report.Message)
		}
		_, patched := golden.Apply(t, raw, result.Operations)
		if again := engine.Inspect(ns, patched).Graft(facts); len(again.Operations) > 0 {
			t.Errorf("a second run changes the pod again: %v", again.Operations)
		}

		var after corev1.Pod
		if err := json.Unmarshal(patched, &after); err != nil {
			t.Fatal(err)
		}
		before := map[string]corev1.Container{}
		for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			before[c.Name] = c
		}
		if got, want := strings.Count(string(patched), `"zz":12345678901234567890`), strings.Count(string(raw), `"zz":12345678901234567890`); got != want {
			t.Errorf("%d unknown fields of %d survived", got, want)
		}
		for i, c := range slices.Concat(after.Spec.InitContainers, after.Spec.Containers) {
			if result.Report.Containers[i].Skipped {
				checkUntouched(t, raw, patched, i)
				continue
			}
			checkPrecedence(t, subject, facts, before[c.Name], c)
			checkFallback(t, subject, facts, before[c.Name], c)
		}
	})
}

func encode(t *testing.T, pod *corev1.Pod, unknown bool) []byte {
	t.Helper()
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	if !unknown {
		return raw
	}
	var document any
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	if raw, err = json.Marshal(withUnknownFields(document)); err != nil {
		t.Fatal(err)
	}
	return raw
}

// checkUntouched compares the i-th container byte for byte.
func checkUntouched(t *testing.T, before, after []byte, i int) {
	t.Helper()
	nth := func(raw []byte) string {
		var pod struct {
			Spec struct {
				InitContainers, Containers []json.RawMessage
			}
		}
		if err := json.Unmarshal(raw, &pod); err != nil {
			t.Fatal(err)
		}
		return string(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)[i])
	}
	if diff := cmp.Diff(nth(before), nth(after)); diff != "" {
		t.Errorf("a container that does not count was changed: -before, +after:\n%s", diff)
	}
}

// checkPrecedence computes the environment by the kubelet's rules and holds it
// to SSM over ConfigMap over pod.
func checkPrecedence(t *testing.T, s *graft.Subject, facts graft.Facts, before, after corev1.Container) {
	t.Helper()
	objects := map[string][]string{
		"Secret/myapp-secrets":    facts.Parameter.Keys,
		"ConfigMap/myapp-config":  facts.ConfigMap.Keys,
		"Secret/myapp-config":     {"A", "B"},
		"ConfigMap/myapp-secrets": {"C", "D"},
		"Secret/other":            {"A", "C", "E"},
		"ConfigMap/other":         {"B", "D"},
	}
	variables, unknown := envresolve.Compute(after, func(kind, name string) ([]string, bool) {
		keys, ok := objects[kind+"/"+name]
		return keys, ok
	})
	if len(unknown) > 0 {
		t.Fatalf("objects without keys: %v", unknown)
	}
	got := map[string]string{}
	for _, v := range variables {
		got[v.Name] = v.From.String()
	}
	values := valuesOf(after, objects)
	for _, name := range []string{"A", "B", "C", "D", "E", "P_A"} {
		var want string
		switch {
		case s.Settings.Keep.Has(name) && slices.ContainsFunc(before.Env, named(name)):
			continue // asked for
		case deliberate(before.Env, name):
			continue // a valueFrom of the pod's own stays
		case s.Settings.Secrets && slices.Contains(facts.Parameter.Keys, name):
			want = fmt.Sprintf("Secret/myapp-secrets[%s]", name)
		case slices.Contains(facts.ConfigMap.Keys, name):
			want = fmt.Sprintf("ConfigMap/myapp-config[%s]", name)
		default:
			continue // the pod's own affair
		}
		if !s.Settings.Secrets && references(before.EnvFrom, "myapp-secrets") && got[name] == fmt.Sprintf("Secret/myapp-secrets[%s]", name) {
			t.Errorf("container %q: the pod's own reference to the Secret beats the ConfigMap for %s", after.Name, name)
		}
		// A literal that is made of its key stays, and carries it.
		if got[name] != want && !(got[name] == envresolve.KindLiteral && strings.Contains(values[name], "<"+want+">")) {
			t.Errorf("container %q: %s comes from %q, want %q\nbefore: %+v\nafter: %+v", after.Name, name, got[name], want, before, after)
		}
	}
}

// checkFallback takes the optional objects away and holds each literal to
// standing again, unless a tier that is left has its name.
func checkFallback(t *testing.T, s *graft.Subject, facts graft.Facts, before, after corev1.Container) {
	t.Helper()
	if s.Settings.Secrets && !s.Settings.SecretOptional && facts.Parameter.State != graft.ParameterEmpty {
		return // the container waits for its Secret
	}
	objects := map[string][]string{"ConfigMap/myapp-config": facts.ConfigMap.Keys}
	if !s.Settings.ConfigMapRequired {
		objects = nil
	}
	variables, _ := envresolve.Compute(after, func(kind, name string) ([]string, bool) { return objects[kind+"/"+name], true })
	values := valuesOf(after, objects)
	for _, v := range variables {
		own := slices.IndexFunc(before.Env, named(v.Name)) >= 0
		if !own || deliberate(before.Env, v.Name) || s.Settings.Keep.Has(v.Name) {
			continue
		}
		want := envresolve.KindLiteral
		if slices.Contains(objects["ConfigMap/myapp-config"], v.Name) {
			want = fmt.Sprintf("ConfigMap/myapp-config[%s]", v.Name)
		}
		if got := v.From.String(); got != want && !(got == envresolve.KindLiteral && strings.Contains(values[v.Name], "<"+want+">")) {
			t.Errorf("container %q: without its optional objects %s comes from %q, want %q\nbefore: %+v\nafter: %+v", after.Name, v.Name, got, want, before, after)
		}
	}
	for _, e := range before.Env {
		if !slices.ContainsFunc(variables, func(v envresolve.Variable) bool { return v.Name == e.Name }) && e.ValueFrom == nil {
			t.Errorf("container %q: %s is gone with the optional objects", after.Name, e.Name)
		}
	}
}

// valuesOf is what the kubelet gives a container whose keys have their own
// names, in brackets, as values.
func valuesOf(c corev1.Container, objects map[string][]string) map[string]string {
	values := map[string]string{}
	for _, from := range c.EnvFrom {
		object := "ConfigMap/"
		if from.SecretRef != nil {
			object = "Secret/" + from.SecretRef.Name
		} else {
			object += from.ConfigMapRef.Name
		}
		for _, key := range objects[object] {
			values[from.Prefix+key] = fmt.Sprintf("<%s[%s]>", object, key)
		}
	}
	for _, e := range c.Env {
		object, key := "", ""
		switch {
		case e.ValueFrom == nil:
			value := envresolve.Expand(e.Value, func(name string) (string, bool) {
				was, ok := values[name]
				return was, ok
			})
			values[e.Name] = value
			continue
		case e.ValueFrom.SecretKeyRef != nil:
			object, key = "Secret/"+e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key
		case e.ValueFrom.ConfigMapKeyRef != nil:
			object, key = "ConfigMap/"+e.ValueFrom.ConfigMapKeyRef.Name, e.ValueFrom.ConfigMapKeyRef.Key
		}
		if object == "" || slices.Contains(objects[object], key) {
			values[e.Name] = fmt.Sprintf("<%s[%s]>", object, key)
		}
	}
	return values
}

func named(name string) func(corev1.EnvVar) bool {
	return func(e corev1.EnvVar) bool { return e.Name == name }
}

// deliberate says that the last entry of a name has a valueFrom.
func deliberate(env []corev1.EnvVar, name string) bool {
	for _, e := range slices.Backward(env) {
		if e.Name == name {
			return e.ValueFrom != nil
		}
	}
	return false
}

func references(from []corev1.EnvFromSource, secret string) bool {
	return slices.ContainsFunc(from, func(f corev1.EnvFromSource) bool { return f.SecretRef != nil && f.SecretRef.Name == secret })
}

// FuzzInspect holds that no bytes bring the engine down, and that whatever it
// makes of them applies.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"x"}]}]}}`))
	f.Add([]byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"a"},"annotations":null},"spec":{"containers":[{"env":[null,{}],"envFrom":[null,{},1]}]}}`))
	f.Add([]byte(`null`))
	engine := graft.New(testConfig())
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	facts := graft.Facts{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"A"}}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapNotFound}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		result := engine.Inspect(ns, raw).Graft(facts)
		if len(result.Operations) == 0 {
			return
		}
		_, patched := golden.Apply(t, raw, result.Operations)
		if again := engine.Inspect(ns, patched).Graft(facts); len(again.Operations) > 0 {
			t.Errorf("a second run changes the pod again: %v", again.Operations)
		}
	})
}

func BenchmarkGraft(b *testing.B) {
	g := generator{rand.New(rand.NewPCG(1, 1))}
	raw, err := json.Marshal(g.pod())
	if err != nil {
		b.Fatal(err)
	}
	engine, facts := graft.New(testConfig()), g.facts()
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	b.ReportAllocs()
	for b.Loop() {
		if engine.Inspect(ns, raw).Graft(facts).Report.Status != graft.StatusInjected {
			b.Fatal("not injected")
		}
	}
}
