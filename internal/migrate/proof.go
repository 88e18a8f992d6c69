package migrate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	evanphx "github.com/evanphx/json-patch/v5"
	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: a container's environment is the same where each name has its value
// from the same place, before and after. Of objects whose keys are not known
// each has every name in play or none of them, and one of its own, in every
// combination: a name's place hangs on nothing but which of them have it, so
// what is alike in all is alike whatever their keys are.

// maxAssumed bounds the combinations.
const maxAssumed = 6

// Proof is what becomes of one container's environment.
type Proof struct {
	Container string `json:"container"`
	Init      bool   `json:"init"`
	// Variables is how many names were compared.
	Variables int      `json:"variables"`
	Changes   []Change `json:"changes,omitempty"`
	// Assumed are objects whose keys are not known.
	Assumed []string `json:"assumed,omitempty"`
}

// Change is a name whose value would come from elsewhere.
type Change struct {
	Name    string `json:"name"`
	Was     string `json:"was"`
	Becomes string `json:"becomes"`
}

// assumption stands for the keys of objects that are not known.
type assumption struct {
	known  envresolve.Keys
	inPlay []string
	// lacks are the objects that are taken to have none of the names in play.
	lacks map[string]bool
	// assumed are those whose keys were asked for and are not known.
	assumed map[string]bool
}

// keys never says that it does not know.
func (s *assumption) keys(kind, name string) ([]string, bool) {
	if names, known := s.known(kind, name); known {
		return names, true
	}
	object := kind + "/" + name
	s.assumed[object] = true
	names := []string{"the other keys of " + object}
	if !s.lacks[object] {
		names = append(names, s.inPlay...)
	}
	slices.Sort(names)
	return names, true
}

// assume gathers the names in play: all that containers write, and all keys
// that are known.
func (a *adoption) assume() *assumption {
	names := map[string]bool{}
	for _, c := range a.containers() {
		for _, e := range c.Env {
			names[e.Name] = true
		}
		for _, from := range c.EnvFrom {
			kind, name := "ConfigMap", ""
			if from.SecretRef != nil {
				kind, name = "Secret", from.SecretRef.Name
			} else if from.ConfigMapRef != nil {
				name = from.ConfigMapRef.Name
			}
			keys, _ := a.world.Keys(kind, name)
			for _, key := range keys {
				names[key] = true
			}
		}
	}
	known := func(kind, name string) ([]string, bool) {
		keys, known := a.world.Keys(kind, name)
		// One that nothing refers to yet is taken for absent, with a note.
		return keys, known || a.configMap == "" && kind == "ConfigMap" && name == a.plan.Identity.ConfigMap
	}
	return &assumption{known: known, inPlay: slices.Sorted(maps.Keys(names)), lacks: map[string]bool{}, assumed: map[string]bool{}}
}

// keep lists the literals that win today and would be bound to a key.
func (a *adoption) keep() {
	s, kept := a.assume(), map[string]bool{}
	var keys []string
	for _, object := range []struct{ kind, name string }{{"Secret", a.secret}, {"ConfigMap", or(a.configMap, a.plan.Identity.ConfigMap)}} {
		if object.name != "" {
			names, _ := s.keys(object.kind, object.name)
			keys = append(keys, names...)
		}
	}
	wired := a.wired()
	for _, c := range a.containers() {
		for _, e := range c.Env {
			if e.ValueFrom == nil && slices.Contains(keys, e.Name) && slices.Contains(wired, c.Name) {
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
		a.notef("annotation %s keeps literals on top that hide keys today; take names out of it to let the keys win", api.AnnotationKeep)
	}
}

// prove computes every container's environment before and after, in every
// combination of what is not known.
func (a *adoption) prove() error {
	s := a.assume()
	if err := a.proveOnce(s); err != nil {
		return err
	}
	objects := slices.Sorted(maps.Keys(s.assumed))
	if len(objects) > maxAssumed {
		return fmt.Errorf("cannot prove anything: the keys of %d objects are not known: %s", len(objects), strings.Join(objects, ", "))
	}
	for combination := 1; combination < 1<<len(objects); combination++ {
		for i, object := range objects {
			s.lacks[object] = combination&(1<<i) != 0
		}
		if err := a.proveOnce(s); err != nil {
			return err
		}
	}
	return nil
}

// proveOnce adds one combination to the proofs.
func (a *adoption) proveOnce(s *assumption) error {
	after, err := a.after(s)
	if err != nil {
		return err
	}
	becomes := slices.Concat(after.Spec.InitContainers, after.Spec.Containers)
	for i, c := range a.containers() {
		if i == len(a.plan.Proof) {
			a.plan.Proof = append(a.plan.Proof, Proof{Container: c.Name, Init: i < len(a.template.Spec.InitContainers)})
		}
		one := assumption{known: s.known, inPlay: s.inPlay, lacks: s.lacks, assumed: map[string]bool{}}
		a.plan.Proof[i].compare(c, becomes[i], one.keys)
		a.plan.Proof[i].Assumed = slices.Sorted(maps.Keys(one.assumed))
		maps.Copy(s.assumed, one.assumed)
	}
	return nil
}

// after is the template as the webhook makes it.
func (a *adoption) after(s *assumption) (corev1.PodTemplateSpec, error) {
	raw, err := patched(a.Workload.Template, a.plan.Template)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	if raw, err = a.withLabel(raw); err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	subject := a.world.Engine.Inspect(a.Namespace, raw)
	facts := graft.Facts{Parameter: graft.Parameter{State: graft.ParameterFound}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapFound}}
	if a.secret != "" {
		facts.Parameter.Keys, _ = s.keys("Secret", a.secret)
	}
	facts.ConfigMap.Keys, _ = s.keys("ConfigMap", subject.Identity.ConfigMap)
	if a.configMap == "" {
		facts.ConfigMap.Keys, _ = a.world.Keys("ConfigMap", subject.Identity.ConfigMap)
	}
	result := subject.Graft(facts)
	if result.Report.Status != graft.StatusInjected {
		return corev1.PodTemplateSpec{}, fmt.Errorf("envgraft would not inject it: %s", result.Report.Message)
	}
	if raw, err = patched(raw, result.Operations); err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	var after corev1.PodTemplateSpec
	return after, json.Unmarshal(raw, &after)
}

// withLabel does what the workload webhook does to the template.
func (a *adoption) withLabel(raw []byte) ([]byte, error) {
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

func patched(document []byte, operations []jsonpatch.Operation) ([]byte, error) {
	if len(operations) == 0 {
		return document, nil
	}
	text, err := json.Marshal(operations)
	if err != nil {
		return nil, err
	}
	patch, err := evanphx.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	return patch.Apply(document)
}

// compare adds what changes.
func (p *Proof) compare(was, becomes corev1.Container, keys envresolve.Keys) {
	have, want := origins(was, keys), origins(becomes, keys)
	all := maps.Clone(have)
	maps.Copy(all, want)
	p.Variables = max(p.Variables, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := Change{Name: name, Was: or(have[name], "not set"), Becomes: or(want[name], "not set")}
		if c.Was != c.Becomes && !slices.Contains(p.Changes, c) {
			p.Changes = append(p.Changes, c)
		}
	}
}

// origins says where each name's value comes from. A literal counts with its
// value.
func origins(c corev1.Container, keys envresolve.Keys) map[string]string {
	variables, _ := envresolve.Compute(c, keys)
	all := map[string]string{}
	for _, v := range variables {
		all[v.Name] = v.From.String()
		if v.From.Kind == envresolve.KindLiteral {
			all[v.Name] += " " + literalOf(c, v.Name)
		}
	}
	return all
}

func literalOf(c corev1.Container, name string) string {
	value := ""
	for _, e := range c.Env {
		if e.Name == name && e.ValueFrom == nil {
			value = e.Value
		}
	}
	return fmt.Sprintf("%q", value)
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
