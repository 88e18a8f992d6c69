package migrate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/patch"
)

// The rule: a container's environment is the same where each name has the same
// value before and after, whatever keys the objects hold that could not be read.
// Values stand for themselves, as "the value of key A of Secret x", and literals
// are expanded as the kubelet does it. Whether a name has the same value hangs on
// nothing but which unknown objects have the keys that could give the name, or a
// name that it refers to, a value: with each prefix one key. Every combination of
// these is tried, for each name that is written somewhere and for one that is not
// (one for each prefix). What the webhook writes must not hang on unknown keys.
// What cannot be tried is not proven.

// maxUnknown bounds the keys whose combinations are tried for one name.
const maxUnknown = 12

// anyOther stands for every key that nobody wrote.
const anyOther = "any other key"

// Proof is what becomes of one container's environment.
type Proof struct {
	Container string `json:"container"`
	Init      bool   `json:"init"`
	// Variables is how many names were compared.
	Variables int      `json:"variables"`
	Changes   []Change `json:"changes,omitempty"`
	// Assumed are objects whose keys are not known. The proof holds whatever they
	// are.
	Assumed []string `json:"assumed,omitempty"`
}

// Change is a name whose value would come from elsewhere.
type Change struct {
	Name    string `json:"name"`
	Was     string `json:"was"`
	Becomes string `json:"becomes"`
}

// keep lists the literals that win today and would be bound to a key, or may be.
func (a *planner) keep() {
	kept := map[string]bool{}
	isKey := func(name string) bool {
		for _, object := range []struct{ kind, name string }{{"Secret", a.secret}, {"ConfigMap", cmp.Or(a.configMap, a.plan.Identity.ConfigMap)}} {
			if object.name == "" {
				continue
			}
			if keys, known := a.world.Keys(object.kind, object.name); !known || slices.Contains(keys, name) {
				return true
			}
		}
		return false
	}
	wired := a.wired()
	for _, c := range a.containers() {
		for _, e := range c.Env {
			if e.ValueFrom == nil && isKey(e.Name) && slices.Contains(wired, c.Name) {
				kept[e.Name] = true
			}
		}
	}
	if len(kept) > 0 {
		for name := range strings.SplitSeq(a.template.Annotations[api.AnnotationKeep], ",") {
			if name = strings.TrimSpace(name); name != "" {
				kept[name] = true
			}
		}
		a.plan.Annotations[api.AnnotationKeep] = strings.Join(slices.Sorted(maps.Keys(kept)), ",")
		a.notef("annotation %s keeps literals on top that shadow keys today; take names out of it to let the keys win", api.AnnotationKeep)
	}
}

// prove compares every container's environment before and after.
func (a *planner) prove() error {
	after, err := a.after(nil)
	if err != nil {
		return err
	}
	full, err := a.after(namesWritten(a))
	if err != nil {
		return err
	}
	becomes := slices.Concat(after.Spec.InitContainers, after.Spec.Containers)
	others := slices.Concat(full.Spec.InitContainers, full.Spec.Containers)
	for i, c := range a.containers() {
		p := newProver(a.world.Keys, c, becomes[i])
		p.proof.Init = i < len(a.template.Spec.InitContainers)
		if !reflect.DeepEqual(becomes[i].Env, others[i].Env) || !reflect.DeepEqual(becomes[i].EnvFrom, others[i].EnvFrom) {
			p.add(Change{Name: "all variables", Was: "as they are", Becomes: "what envgraft makes of keys that could not be read"})
		}
		p.compareOptional()
		p.compareAll()
		a.plan.Proof = append(a.plan.Proof, p.proof)
	}
	return nil
}

// namesWritten are the names of all entries.
func namesWritten(a *planner) []string {
	names := []string{}
	for _, c := range a.containers() {
		for _, e := range c.Env {
			names = append(names, e.Name)
		}
	}
	return names
}

// after is the template as the webhook makes it, where objects that are not known
// have the given keys.
func (a *planner) after(unknown []string) (corev1.PodTemplateSpec, error) {
	raw, err := patch.Apply(a.Workload.Template, a.plan.Template)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	if raw, err = withLabel(a, raw); err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	keys := func(kind, name string) []string {
		keys, known := a.world.Keys(kind, name)
		if !known {
			keys = slices.Clone(unknown)
		}
		slices.Sort(keys)
		return slices.Compact(keys)
	}
	subject := a.world.Engine.Inspect(a.Namespace, raw)
	facts := graft.Facts{Parameter: graft.Parameter{State: graft.ParameterFound}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound}}
	if a.secret != "" {
		facts.Parameter.Keys = keys("Secret", a.secret)
	}
	facts.ConfigMap.Keys = keys("ConfigMap", subject.Identity.ConfigMap)
	result := subject.Graft(facts)
	if result.Report.Status != graft.StatusInjected {
		return corev1.PodTemplateSpec{}, fmt.Errorf("envgraft would not inject it: %s", result.Report.Message)
	}
	if raw, err = patch.Apply(raw, result.Operations); err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	var after corev1.PodTemplateSpec
	return after, json.Unmarshal(raw, &after)
}

// withLabel does what the workload webhook does to the template.
func withLabel(a *planner, raw []byte) ([]byte, error) {
	value, ok := a.meta().Labels[api.LabelInject]
	var template map[string]any
	if err := json.Unmarshal(raw, &template); err != nil || !ok {
		return raw, err
	}
	metadata, _ := template["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		template["metadata"] = metadata
	}
	labels, _ := metadata["labels"].(map[string]any)
	if labels == nil {
		labels = map[string]any{}
		metadata["labels"] = labels
	}
	labels[api.LabelInject] = value
	return json.Marshal(template)
}
