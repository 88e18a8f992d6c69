package migrate

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/patch"
)

// generator makes workloads as people wire them, well and badly.
type generator struct{ *rand.Rand }

// pick returns some of the texts.
func (g generator) pick(texts ...string) []string {
	var some []string
	for _, text := range texts {
		if g.IntN(2) == 0 {
			some = append(some, text)
		}
	}
	return some
}

func (g generator) keys() []string { return g.pick("A", "B", "C", "D", "E", "P_A", "AA", "P_AB") }

// truly returns a pointer to true now and then.
func (g generator) truly() *bool {
	yes := true
	if g.IntN(6) == 0 {
		return &yes
	}
	return nil
}

func (g generator) envFrom(prefix, kind, name string) corev1.EnvFromSource {
	object := corev1.LocalObjectReference{Name: name}
	if kind == "Secret" {
		return corev1.EnvFromSource{Prefix: prefix, SecretRef: &corev1.SecretEnvSource{LocalObjectReference: object, Optional: g.truly()}}
	}
	return corev1.EnvFromSource{Prefix: prefix, ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: object, Optional: g.truly()}}
}

func (g generator) container(name string) corev1.Container {
	c := corev1.Container{Name: name}
	if g.IntN(4) == 0 {
		// As the usual guide has it.
		c.EnvFrom = []corev1.EnvFromSource{g.envFrom("", "ConfigMap", "x-config"), g.envFrom("", "Secret", "x-secrets")}
	} else if g.IntN(3) > 0 {
		entries := []corev1.EnvFromSource{
			g.envFrom("", "ConfigMap", "x-config"), g.envFrom("", "Secret", "x-secrets"), g.envFrom("", "ConfigMap", "shared"),
			g.envFrom("P_", "Secret", "x-secrets"), g.envFrom("A", "ConfigMap", "shared"), g.envFrom("P_", "ConfigMap", "x-config"),
		}
		g.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		c.EnvFrom = entries[:g.IntN(5)]
	}
	if g.IntN(3) == 0 {
		return c
	}
	for _, name := range g.pick("A", "B", "C", "D", "P_A", "AA", "B") {
		values := []string{"0", "1", "$(A)", "$(B)-$(P_A)", "$(" + name + ")!", "$$(A)"}
		e := corev1.EnvVar{Name: name, Value: values[g.IntN(len(values))]}
		switch g.IntN(8) {
		case 0, 1:
			e = corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "x-secrets"}, Key: name, Optional: g.truly(),
			}}}
		case 2:
			e = corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
				LocalObjectReference: corev1.LocalObjectReference{Name: "shared"}, Key: "A", Optional: g.truly(),
			}}}
		case 3:
			e = corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}}
		}
		c.Env = append(c.Env, e)
	}
	return c
}

var proofs = flag.Uint64("proofs", 2000, "how many workloads TestProofHolds plans for")

// TestProofHolds checks the proof by other means: what is called proven is
// injected as the webhook does it, by the objects' true keys, and the environment
// of each container is computed again. What the plan may not read is chosen at
// random. 100,000 workloads were planned once, by -proofs 100000: no proof was
// wrong.
func TestProofHolds(t *testing.T) {
	proven, unproven, hidden := 0, 0, 0
	for seed := range *proofs {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		truth := map[string][]string{"Secret/x-secrets": g.keys(), "ConfigMap/x-config": g.keys(), "ConfigMap/shared": g.keys()}
		unread := map[string]bool{}
		for _, object := range g.pick("Secret/x-secrets", "ConfigMap/x-config", "ConfigMap/shared") {
			unread[object] = g.IntN(2) == 0
		}
		all := func(kind, name string) ([]string, bool) { return truth[kind+"/"+name], true }
		seen := func(kind, name string) ([]string, bool) {
			if unread[kind+"/"+name] {
				return nil, false
			}
			return all(kind, name)
		}
		before := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{api.LabelName: "x"}}}
		before.Spec.InitContainers = []corev1.Container{g.container("init")}[:g.IntN(2)]
		before.Spec.Containers = []corev1.Container{g.container("main"), g.container("side")}[:1+g.IntN(2)]
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
		if unread["Secret/x-secrets"] || unread["ConfigMap/x-config"] || unread["ConfigMap/shared"] {
			hidden++
		}
		after := inject(t, world, before, plan, all)
		for i, c := range slices.Concat(before.Spec.InitContainers, before.Spec.Containers) {
			was, is := effective(c, truth), effective(slices.Concat(after.Spec.InitContainers, after.Spec.Containers)[i], truth)
			if was != is {
				t.Fatalf("seed %d: container %s is proven, but has\n%s\nand would have\n%s\nby %v and %v", seed, c.Name, was, is, plan.Annotations, plan.Removed)
			}
		}
	}
	t.Logf("%d proven, %d of them with objects that could not be read, %d not proven", proven, hidden, unproven)
	if few := int(*proofs / 50); proven < few || unproven < few || hidden < few/4 { //nolint:gosec // a number of tests
		t.Errorf("the generator makes too few of one kind: %d proven, %d with unknown keys, %d not", proven, hidden, unproven)
	}
}

func plan(t *testing.T, before corev1.PodTemplateSpec, keys envresolve.Keys) (*Plan, World, error) {
	t.Helper()
	c := config.Default()
	if err := c.Validate(config.ModeLocal); err != nil {
		t.Fatal(err)
	}
	e := externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{Name: "x"}}
	e.Spec.Target.Name = "x-secrets"
	e.Spec.DataFrom = []externalsecret.DataFrom{{Extract: &externalsecret.Extract{Key: "/shop/x/stage/app"}}}
	e.Spec.SecretStoreRef = externalsecret.StoreRef{Kind: "ClusterSecretStore", Name: "aws-ssm"}
	world := World{
		Engine: graft.New(c.Engine()), Keys: keys, ExternalSecrets: []externalsecret.ExternalSecret{e},
		Defaults: func(string) Defaults {
			return Defaults{Store: "ClusterSecretStore/aws-ssm", RefreshInterval: "5m", DeletionPolicy: "Delete"}
		},
	}
	raw, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Make(Workload{Namespace: identity.Namespace{Name: "shop"}, Kind: "Deployment", LabelCopied: true, Name: "x", Template: raw}, world)
	return p, world, err
}

// inject applies a plan, and what the two webhooks then do.
func inject(t *testing.T, world World, before corev1.PodTemplateSpec, plan *Plan, keys envresolve.Keys) corev1.PodTemplateSpec {
	t.Helper()
	raw, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = patch.Apply(raw, plan.Template); err != nil {
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
	if raw, err = patch.Apply(raw, result.Operations); err != nil {
		t.Fatal(err)
	}
	var after corev1.PodTemplateSpec
	if err := json.Unmarshal(raw, &after); err != nil {
		t.Fatal(err)
	}
	return after
}

// effective writes an environment down, with what the container waits for.
func effective(c corev1.Container, truth map[string][]string) string {
	env, problems := envresolve.Values(c, envresolve.World{
		Data: func(kind, name string) (map[string]string, bool) {
			data := map[string]string{}
			for _, key := range truth[kind+"/"+name] {
				data[key] = fmt.Sprintf("<%s/%s[%s]>", kind, name, key)
			}
			return data, true
		},
		Other: func(e corev1.EnvVar) (string, error) { return fmt.Sprint(e.ValueFrom), nil },
	})
	// An object that does not exist holds nothing, and is waited for or not.
	_, missing := envresolve.Values(c, envresolve.World{
		Data:  func(string, string) (map[string]string, bool) { return nil, false },
		Other: func(corev1.EnvVar) (string, error) { return "", nil },
	})
	waits := map[string]bool{}
	for _, p := range missing {
		object, _, _ := strings.Cut(p.Error()[strings.LastIndex(p.Error(), ": ")+1:], " does")
		waits[strings.TrimSpace(object)] = true
	}
	text := fmt.Sprintf("waits for %v, %v\n", slices.Sorted(maps.Keys(waits)), problems)
	for _, name := range slices.Sorted(maps.Keys(env)) {
		text += name + "=" + env[name] + "\n"
	}
	return text
}
