package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// generator makes workloads as people wire them, well and badly.
type generator struct{ *rand.Rand }

func (g generator) keys() []string {
	var keys []string
	for _, key := range []string{"A", "B", "C", "D", "E"} {
		if g.IntN(2) == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

func (g generator) container(name string) corev1.Container {
	c := corev1.Container{Name: name}
	entries := []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "x-config"}}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "x-secrets"}}},
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "shared"}}},
		{Prefix: "P_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "x-secrets"}}},
	}
	g.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	if g.IntN(4) > 0 {
		c.EnvFrom = entries[:g.IntN(len(entries)+1)]
	}
	for _, name := range g.keys() {
		e := corev1.EnvVar{Name: name, Value: fmt.Sprint(g.IntN(3))}
		switch g.IntN(4) {
		case 0:
			e = corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "x-secrets"}, Key: name,
			}}}
		case 1:
			e = corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}
		}
		c.Env = append(c.Env, e)
	}
	return c
}

// TestProofHolds checks the proof by other means: what is called proven is
// injected as the webhook does it, by the objects' true keys, and the
// environment of each container is computed anew.
func TestProofHolds(t *testing.T) {
	proven, unproven, assumed := 0, 0, 0
	for seed := range uint64(400) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		truth := map[string][]string{"Secret/x-secrets": g.keys(), "ConfigMap/x-config": g.keys(), "ConfigMap/shared": g.keys()}
		hidden := ""
		if g.IntN(3) == 0 {
			hidden = "Secret/x-secrets" // who asks may not read it
			assumed++
		}
		all := func(kind, name string) ([]string, bool) { return truth[kind+"/"+name], true }
		seen := func(kind, name string) ([]string, bool) {
			if kind+"/"+name == hidden {
				return nil, false
			}
			return all(kind, name)
		}
		before := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.LabelName: "x"}}}
		before.Spec.InitContainers = []corev1.Container{g.container("init")}
		before.Spec.Containers = []corev1.Container{g.container("main"), g.container("side")}
		plan, world, err := plan(t, before, seen)
		if errors.Is(err, ErrNothing) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !plan.Proven() {
			unproven++
			continue
		}
		proven++
		after := inject(t, world, before, plan, all)
		for i, c := range slices.Concat(before.Spec.InitContainers, before.Spec.Containers) {
			was, is := effective(c, all), effective(slices.Concat(after.Spec.InitContainers, after.Spec.Containers)[i], all)
			if was != is {
				t.Fatalf("seed %d: container %s is proven, but has\n%s\nand would have\n%s\nby %v and %v", seed, c.Name, was, is, plan.Annotations, plan.Removed)
			}
		}
	}
	t.Logf("%d proven, %d not; the Secret's keys were not known to %d", proven, unproven, assumed)
	if proven < 50 || unproven < 50 {
		t.Errorf("the generator makes too few of one kind: %d proven, %d not", proven, unproven)
	}
}

func plan(t *testing.T, before corev1.PodTemplateSpec, keys envresolve.Keys) (*Plan, World, error) {
	t.Helper()
	c := config.Default()
	if err := c.Validate(config.ModeLocal); err != nil {
		t.Fatal(err)
	}
	e := clusterview.ExternalSecret{Metadata: metav1.ObjectMeta{Name: "x"}}
	e.Spec.Target.Name = "x-secrets"
	e.Spec.DataFrom = []clusterview.DataFrom{{Extract: &clusterview.RemoteRef{Key: "/shop/x/stage/app"}}}
	e.Spec.SecretStoreRef = clusterview.StoreRef{Kind: "ClusterSecretStore", Name: "aws-ssm"}
	world := World{
		Engine: graft.New(c.Engine()), Keys: keys, ExternalSecrets: []clusterview.ExternalSecret{e}, SkipContainers: c.SkipContainers,
		Defaults: func(string) Defaults {
			return Defaults{Store: "ClusterSecretStore/aws-ssm", RefreshInterval: "5m", DeletionPolicy: "Delete"}
		},
	}
	raw, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(Workload{Namespace: identity.Namespace{Name: "shop"}, Kind: "Deployment", Name: "x", Template: raw}, world)
	return p, world, err
}

// inject applies a plan, and what the two webhooks then do.
func inject(t *testing.T, world World, before corev1.PodTemplateSpec, plan *Plan, keys envresolve.Keys) corev1.PodTemplateSpec {
	t.Helper()
	raw, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = patched(raw, plan.Template); err != nil {
		t.Fatal(err)
	}
	var template corev1.PodTemplateSpec
	if err := json.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	template.Labels[api.LabelInject] = plan.Labels[api.LabelInject]
	if raw, err = json.Marshal(template); err != nil {
		t.Fatal(err)
	}
	subject := world.Engine.Inspect(identity.Namespace{Name: "shop"}, raw)
	known := graft.Facts{Parameter: graft.Parameter{State: graft.ParameterFound}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound}}
	known.Parameter.Keys, _ = keys("Secret", "x-secrets")
	known.ConfigMap.Keys, _ = keys("ConfigMap", subject.Identity.ConfigMap)
	result := subject.Graft(known)
	if result.Report.Status != graft.StatusInjected {
		t.Fatalf("not injected: %s", result.Report.Message)
	}
	if raw, err = patched(raw, result.Operations); err != nil {
		t.Fatal(err)
	}
	var after corev1.PodTemplateSpec
	if err := json.Unmarshal(raw, &after); err != nil {
		t.Fatal(err)
	}
	return after
}

// effective writes an environment down.
func effective(c corev1.Container, keys envresolve.Keys) string {
	variables, _ := envresolve.Compute(c, keys)
	text := ""
	for _, v := range variables {
		text += v.Name + "=" + v.From.String()
		for _, e := range c.Env {
			if e.Name == v.Name && v.From.Kind == envresolve.KindLiteral && e.ValueFrom == nil {
				text += " " + e.Value
			}
		}
		text += "\n"
	}
	return text
}
