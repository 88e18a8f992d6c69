// Package migrate turns a workload that is wired by hand, with envFrom entries,
// an ExternalSecret and Reloader's annotations of its own, into one that
// envgraft wires, and proves that no container's environment changes by it. It
// is pure: the engine decides what the pods would get, environ what they have.
package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/envresolve"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// Workload is what is imported.
type Workload struct {
	// Namespace may hold labels that opt in.
	Namespace identity.Namespace
	Kind      string
	// LabelCopied says that the workload webhook gives the label of the workload's
	// own metadata to its template. It is not called for CronJobs, Jobs and
	// ReplicaSets.
	LabelCopied bool
	Name        string
	Labels      map[string]string
	Annotations map[string]string
	// Template is the pod template in JSON, or the pod.
	Template []byte
}

// World is what the workload stands in.
type World struct {
	Engine *graft.Engine
	// Keys are those of ConfigMaps and Secrets, as far as they are known.
	Keys envresolve.Keys
	// ExternalSecrets are those of the namespace.
	ExternalSecrets []externalsecret.ExternalSecret
	// Defaults are an environment's settings of an ExternalSecret.
	Defaults func(environment string) Defaults
}

// Defaults are the configuration's settings of an ExternalSecret.
type Defaults struct{ Store, RefreshInterval, DeletionPolicy string }

// Plan is how to import a workload.
type Plan struct {
	Identity identity.Identity `json:"identity"`
	// Labels go to the workload, TemplateLabels and Annotations to its template.
	Labels         map[string]string `json:"labels"`
	TemplateLabels map[string]string `json:"templateLabels"`
	Annotations    map[string]string `json:"annotations"`
	// Removed says what they replace.
	Removed []string `json:"removed"`
	Notes   []string `json:"notes"`
	Proof   []Proof  `json:"proof"`

	// Object and Template are operations that do it.
	Object   []jsonpatch.Operation `json:"-"`
	Template []jsonpatch.Operation `json:"-"`
}

// Proven says that no container's environment changes.
func (p *Plan) Proven() bool {
	return !slices.ContainsFunc(p.Proof, func(c Proof) bool { return len(c.Changes) > 0 })
}

// ErrNothing is for a workload that has no wiring.
var ErrNothing = errors.New("none of its containers takes a Secret or ConfigMap whole (envFrom): there is nothing to import")

// planner makes a Plan.
type planner struct {
	Workload

	world    World
	template corev1.PodTemplateSpec
	// secret and configMap are the app's; empty where it has none.
	secret, configMap string
	plan              *Plan
}

// Make plans. Its error is for a workload that cannot be imported at all.
func Make(w Workload, world World) (*Plan, error) {
	a := &planner{Workload: w, world: world, plan: &Plan{
		Labels: map[string]string{}, TemplateLabels: map[string]string{}, Annotations: map[string]string{}, Removed: []string{}, Notes: []string{},
	}}
	if err := json.Unmarshal(w.Template, &a.template); err != nil {
		return nil, fmt.Errorf("cannot read the pod template")
	}
	if err := a.name(); err != nil {
		return nil, err
	}
	a.choose()
	if a.secret == "" && a.configMap == "" {
		return nil, ErrNothing
	}
	a.unwire()
	a.settings()
	a.externalSecret()
	a.reloader()
	if d := a.decide(); d.Status != graft.StatusInjected {
		return nil, fmt.Errorf("envgraft would not inject it: %s", d.Message)
	}
	a.keep()
	a.operations()
	return a.plan, a.prove()
}

// name adds the labels that opt in and name the app.
func (a *planner) name() error {
	if d := a.decide(); d.OptIn.Origin == identity.OriginNone {
		if !a.LabelCopied {
			a.plan.TemplateLabels[api.LabelInject] = api.Enabled
		} else {
			a.plan.Labels[api.LabelInject] = api.Enabled
		}
	}
	if d := a.decide(); d.Reason == graft.ReasonNoApp {
		a.plan.TemplateLabels[api.LabelApp] = a.Name
	}
	d := a.decide()
	if d.Status != graft.StatusInjected {
		return fmt.Errorf("envgraft would not inject it: %s", d.Message)
	}
	a.plan.Identity = d.Identity
	return nil
}

// decide is the engine's decision about the template with what is planned.
func (a *planner) decide() graft.Decision {
	return a.world.Engine.Decide(a.Namespace, a.meta())
}

// meta is the template's metadata as planned.
func (a *planner) meta() identity.Pod {
	labels, annotations := map[string]string{}, map[string]string{}
	maps.Copy(labels, a.template.Labels)
	for _, from := range []map[string]string{a.Labels, a.plan.Labels} {
		if value, ok := from[api.LabelInject]; ok && a.LabelCopied && labels[api.LabelInject] == "" {
			labels[api.LabelInject] = value // the workload webhook copies it
		}
	}
	maps.Copy(labels, a.plan.TemplateLabels)
	maps.Copy(annotations, a.template.Annotations)
	maps.Copy(annotations, a.plan.Annotations)
	return identity.Pod{Labels: labels, Annotations: annotations}
}

// choose finds the app's own Secret and ConfigMap among what containers take
// whole: those with the computed names, else those that most containers take.
func (a *planner) choose() {
	secrets, configMaps := map[string]int{}, map[string]int{}
	for _, c := range a.containers() {
		for _, from := range c.EnvFrom {
			switch {
			case from.Prefix != "":
			case from.SecretRef != nil:
				secrets[from.SecretRef.Name]++
			case from.ConfigMapRef != nil:
				configMaps[from.ConfigMapRef.Name]++
			}
		}
	}
	for name := range secrets {
		if a.filling(name) != nil {
			secrets[name] += len(a.containers()) // an ExternalSecret makes it the app's
		}
	}
	a.secret = favourite(secrets, a.plan.Identity.Secret)
	a.configMap = favourite(configMaps, a.plan.Identity.ConfigMap)
}

func favourite(counts map[string]int, computed string) string {
	if counts[computed] > 0 {
		return computed
	}
	best := ""
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] > counts[best] {
			best = name
		}
	}
	return best
}

// containers are all, the init containers first.
func (a *planner) containers() []corev1.Container {
	return slices.Concat(a.template.Spec.InitContainers, a.template.Spec.Containers)
}

// filling is the ExternalSecret that fills a Secret.
func (a *planner) filling(secret string) *externalsecret.ExternalSecret {
	for i := range a.world.ExternalSecrets {
		if a.world.ExternalSecrets[i].SecretName() == secret {
			return &a.world.ExternalSecrets[i]
		}
	}
	return nil
}

// settings writes the annotations that keep names, containers and optionality
// as they are.
func (a *planner) settings() {
	id := a.plan.Identity
	switch {
	case a.secret == "":
		a.plan.Annotations[api.AnnotationSecrets] = api.Disabled
	case a.secret != id.Secret:
		a.plan.Annotations[api.AnnotationSecretName] = a.secret
	}
	if _, known := a.world.Keys("ConfigMap", id.ConfigMap); !known && a.configMap == "" {
		a.notef("whether there is a ConfigMap %s, which envgraft would add, is not known: nothing is proven. "+
			"Where there is none, give an empty one among the documents", id.ConfigMap)
	}
	if a.configMap != "" && a.configMap != id.ConfigMap {
		a.plan.Annotations[api.AnnotationConfigMapName] = a.configMap
	}
	// Both hold for all containers. Where only some have one, the proof says so.
	secretOptional, secretRequired, configMapRequired, configMapOptional := false, false, false, false
	for _, c := range a.containers() {
		for _, from := range c.EnvFrom {
			switch {
			case from.Prefix != "":
			case from.SecretRef != nil && from.SecretRef.Name == a.secret:
				secretOptional = secretOptional || isTrue(from.SecretRef.Optional)
				secretRequired = secretRequired || !isTrue(from.SecretRef.Optional)
			case from.ConfigMapRef != nil && from.ConfigMapRef.Name == a.configMap:
				configMapRequired = configMapRequired || !isTrue(from.ConfigMapRef.Optional)
				configMapOptional = configMapOptional || isTrue(from.ConfigMapRef.Optional)
			}
		}
	}
	if secretOptional && !secretRequired {
		a.plan.Annotations[api.AnnotationSecretOptional] = "true"
	}
	if configMapRequired && !configMapOptional {
		a.plan.Annotations[api.AnnotationConfigMapRequired] = "true"
	}
	if wired := a.wired(); !slices.Equal(wired, a.byDefault()) {
		a.plan.Annotations[api.AnnotationContainers] = strings.Join(wired, ",")
	}
}

// wired names the containers that take one of the two objects: the others must
// not come to.
func (a *planner) wired() []string {
	var names []string
	for _, c := range a.containers() {
		if slices.ContainsFunc(c.EnvFrom, a.ours) {
			names = append(names, c.Name)
		}
	}
	return names
}

// byDefault names the containers that envgraft would choose.
func (a *planner) byDefault() []string {
	var names []string
	for _, c := range a.containers() {
		if !a.world.Engine.Skips(c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// ours says that an entry takes one of the two objects whole.
func (a *planner) ours(from corev1.EnvFromSource) bool {
	switch {
	case from.Prefix != "":
	case from.SecretRef != nil:
		return a.secret != "" && from.SecretRef.Name == a.secret
	case from.ConfigMapRef != nil:
		return a.configMap != "" && from.ConfigMapRef.Name == a.configMap
	}
	return false
}

func isTrue(b *bool) bool { return b != nil && *b }

func (a *planner) notef(format string, arguments ...any) {
	a.plan.Notes = append(a.plan.Notes, fmt.Sprintf(format, arguments...))
}

func (a *planner) removedf(format string, arguments ...any) {
	a.plan.Removed = append(a.plan.Removed, fmt.Sprintf(format, arguments...))
}
