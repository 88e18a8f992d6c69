package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/workload"
)

// world is a cluster in memory, with SSM, ESO, Reloader, the webhook and what runs
// Deployments. Each behaves as its documentation says where the controller sees it.
// Time is that of a synctest bubble.
type world struct {
	mu     sync.Mutex
	random *rand.Rand
	engine *graft.Engine
	config *config.Configuration

	params map[string]*param
	// last are the last states, those included that were deleted.
	last map[string]int
	// states counts all states of parameters and ConfigMaps: each is told by its number.
	states                                      int
	ssmUp, esoUp, reloaderUp, webhookUp, kubeUp bool

	system      string
	external    map[string]*external1
	secret      *secret1
	configMap   *configMap1
	deployments []*deployment1
	pods        []*pod1
	serial      int

	due             map[client.ObjectKey]time.Time
	writes, lookups int
	restarted       map[string]int
	// deleted is when the ConfigMap was deleted, and led when the leader began.
	deleted, led time.Time
	faults       []string
	log          []string
}

type param struct {
	version  int64
	modified time.Time
	keys     []string
	state    int
}

type external1 struct {
	name                string
	uid                 types.UID
	version, generation int
	labels, annotations map[string]string
	owners              []any
	spec                map[string]any
	created             time.Time
	status              externalsecret.Status
	// meta counts changes of labels and annotations, and seen is what ESO saw.
	meta, seen int
	retry      time.Duration
	next       time.Time
	read       *externalsecret.ExternalSecret
}

type secret1 struct {
	state int
	keys  []string
}

type configMap1 struct {
	state            int
	created, changed time.Time
}

type deployment1 struct {
	name       string
	literals   []string
	template   map[string]string
	generation int
	row        *inventory.Workload
	created    time.Time
}

type pod1 struct {
	name, of string
	revision int
	created  time.Time
	running  time.Time
	injected bool
	spec     *corev1.Pod
	row      *inventory.Pod
	// secret and configMap are the states that its containers started with; 0 is none.
	// admitted is the state of the parameter by whose keys it was admitted.
	secret, configMap, admitted int
}

const (
	modelSecret    = "shop-secrets"
	modelNamespace = "shops"
)

func modelApp() client.ObjectKey { return client.ObjectKey{Namespace: modelNamespace, Name: "shop"} }

func newWorld(seed uint64) *world {
	c := config.Default()
	c.Environment = "stage"
	w := &world{
		random: rand.New(rand.NewPCG(seed, 1)), config: c, engine: graft.New(c.Engine()),
		params: map[string]*param{}, last: map[string]int{}, external: map[string]*external1{}, due: map[client.ObjectKey]time.Time{}, restarted: map[string]int{},
		ssmUp: true, esoUp: true, reloaderUp: true, webhookUp: true, kubeUp: true, system: "shops",
	}
	w.deploy("web", "URL")
	if w.random.IntN(2) == 0 {
		w.deploy("worker", "MODE")
	}
	return w
}

func (w *world) logf(format string, args ...any) {
	w.log = append(w.log, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func (w *world) faultf(format string, args ...any) {
	w.logf("FAULT: "+format, args...)
	w.faults = append(w.faults, fmt.Sprintf(format, args...))
}

// changed has the app reconciled.
func (w *world) changed(app client.ObjectKey) { w.due[app] = time.Now() }

func (w *world) namespace() identity.Namespace {
	return identity.Namespace{Name: modelNamespace, Labels: map[string]string{api.LabelInject: api.Enabled, api.LabelSystem: w.system}}
}

func (w *world) path() string { return "/" + w.system + "/shop/stage/app" }

// SSM.

func (w *world) put(keys ...string) {
	p := w.params[w.path()]
	version := int64(1)
	if p != nil {
		version = p.version + 1
	}
	w.states++
	w.last[w.path()] = w.states
	w.params[w.path()] = &param{version: version, modified: time.Now(), keys: keys, state: w.states}
	w.logf("put %s@%d %v", w.path(), version, keys)
}

// Parameter implements lookup.Parameters.
func (w *world) Parameter(_ context.Context, q facts.Question) facts.Parameter {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lookups++
	found := w.ask(q.Parameter)
	return facts.Parameter{Parameter: found, Fetched: time.Now()}
}

func (w *world) ask(path string) graft.Parameter {
	p := w.params[path]
	switch {
	case !w.ssmUp:
		return graft.Parameter{State: graft.ParameterUnreachable}
	case p == nil:
		return graft.Parameter{State: graft.ParameterNotFound}
	case len(p.keys) == 0:
		return graft.Parameter{State: graft.ParameterEmpty, Version: p.version, Modified: p.modified}
	}
	return graft.Parameter{State: graft.ParameterFound, Version: p.version, Modified: p.modified, Keys: p.keys}
}

// KeyOf and Read implement lookup.Versions.
func (*world) KeyOf(q facts.Question) facts.Key { return facts.Key{Name: q.Parameter} }

func (w *world) Read(_ context.Context, keys []facts.Key) map[facts.Key]facts.Version {
	w.mu.Lock()
	defer w.mu.Unlock()
	versions := map[facts.Key]facts.Version{}
	for _, key := range keys {
		found := w.ask(key.Name)
		if found.State == graft.ParameterEmpty {
			found.State = graft.ParameterFound
		}
		versions[key] = facts.Version{State: found.State, Number: found.Version, Modified: found.Modified}
	}
	return versions
}

// ESO.

func (w *world) syncESO() {
	if !w.esoUp {
		return
	}
	now := time.Now()
	for _, name := range slices.Sorted(maps.Keys(w.external)) {
		e := w.external[name]
		x := e.parsed()
		invalid := x.Phase() == externalsecret.PhaseOwn && e.status.Binding.Name == modelSecret && w.secret == nil && x.Ready() != nil && x.Ready().Reason == externalsecret.ReasonSynced
		fresh := e.seen == e.meta && strings.HasPrefix(e.status.SyncedResourceVersion, strconv.Itoa(e.generation)+"-")
		if fresh && !invalid && now.Before(e.next) || x.Phase() == externalsecret.PhaseRevoked {
			continue
		}
		w.refresh(e, x)
	}
}

func (w *world) refresh(e *external1, x *externalsecret.ExternalSecret) {
	interval, err := time.ParseDuration(x.Spec.RefreshInterval)
	if err != nil {
		panic(err)
	}
	e.seen = e.meta
	found := w.ask(x.Parameter())
	fails := found.State == graft.ParameterUnreachable || found.State == graft.ParameterNotFound && x.Spec.Target.DeletionPolicy != graft.DeletionPolicyDelete
	condition := func(status metav1.ConditionStatus, reason, message string) {
		if ready := x.Ready(); ready == nil || ready.Reason != reason || ready.Status != status {
			w.logf("ESO: %s %s %s", e.name, status, reason)
		}
		e.status.Conditions = []metav1.Condition{{Type: externalsecret.ConditionReady, Status: status, Reason: reason, Message: message}}
		e.version++
		e.read = nil
		w.changed(modelApp())
	}
	probe := x.Phase() == externalsecret.PhaseProbe
	if fails || probe && found.State == graft.ParameterFound && w.secret != nil {
		e.retry = min(max(time.Second, 2*e.retry), 7*time.Minute)
		e.next = time.Now().Add(e.retry)
		message := "could not get secret data from provider"
		if !fails {
			message = "could not update secret"
		}
		e.status.SyncedResourceVersion = fmt.Sprintf("%d-%d", e.generation, e.meta)
		condition(metav1.ConditionFalse, "SecretSyncedError", message)
		return
	}
	e.retry, e.next = 0, time.Now().Add(interval)
	e.status.RefreshTime = metav1.NewTime(time.Now().Truncate(time.Second))
	e.status.SyncedResourceVersion = fmt.Sprintf("%d-%d", e.generation, e.meta)
	switch {
	case found.State == graft.ParameterFound && probe:
		condition(metav1.ConditionTrue, "SecretMissing", "")
	case found.State == graft.ParameterFound:
		w.write(w.params[x.Parameter()])
		e.status.Binding.Name = x.SecretName()
		condition(metav1.ConditionTrue, externalsecret.ReasonSynced, "")
	case x.Spec.Target.DeletionPolicy == graft.DeletionPolicyDelete:
		if w.secret != nil {
			w.logf("ESO: deletes the Secret")
		}
		w.secret = nil
		condition(metav1.ConditionTrue, "SecretDeleted", "")
	default:
		condition(metav1.ConditionTrue, externalsecret.ReasonSynced, "")
	}
}

// write fills the Secret. Reloader acts on its changes.
func (w *world) write(p *param) {
	changed := w.secret != nil && w.secret.state != p.state
	if w.secret == nil || changed {
		w.logf("ESO: writes state %d", p.state)
	}
	w.secret = &secret1{state: p.state, keys: p.keys}
	if changed {
		w.reload("Secret")
	}
}

func (w *world) reload(what string) {
	if !w.reloaderUp {
		return
	}
	w.logf("Reloader: restarts for %s", what)
	for _, d := range w.deployments {
		d.template["reloader"] = strconv.Itoa(w.states) + what
		d.generation++
		d.changed(w)
	}
}

// parsed is what informers have of it.
func (e *external1) parsed() *externalsecret.ExternalSecret {
	if e.read != nil {
		return e.read
	}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "spec": e.spec, "status": e.status,
		"metadata": map[string]any{
			"namespace": modelNamespace, "name": e.name, "uid": e.uid, "resourceVersion": strconv.Itoa(e.version), "generation": e.generation,
			"labels": e.labels, "annotations": e.annotations, "ownerReferences": e.owners, "creationTimestamp": e.created.UTC().Format(time.RFC3339),
		},
	})
	if err != nil {
		panic(err)
	}
	x := &externalsecret.ExternalSecret{}
	if err := json.Unmarshal(raw, x); err != nil {
		panic(err)
	}
	owners := map[string]any{}
	for _, o := range e.owners {
		owners[fmt.Sprintf(`k:{"uid":"%s"}`, o.(map[string]any)["uid"])] = map[string]any{}
	}
	fields, err := json.Marshal(map[string]any{"f:metadata": map[string]any{"f:ownerReferences": owners}})
	if err != nil {
		panic(err)
	}
	x.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: api.FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(string(fields))}}
	if _, err := externalsecret.Compact(x); err != nil {
		panic(err)
	}
	e.read = x
	return x
}

// The API server: what the controller calls of it.

type cluster1 struct {
	client.Client

	*world
}

func (c cluster1) Apply(_ context.Context, applied runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := json.Marshal(applied)
	if err != nil {
		return err
	}
	object := map[string]any{}
	if err := json.Unmarshal(raw, &object); err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: object}
	c.writes++
	e := c.external[u.GetName()]
	if u.GetUID() != "" && (e == nil || e.uid != u.GetUID()) {
		return apierrors.NewConflict(schema.GroupResource{}, u.GetName(), nil)
	}
	if e == nil {
		c.serial++
		e = &external1{name: u.GetName(), uid: types.UID(fmt.Sprint("es-", c.serial)), created: time.Now(), annotations: map[string]string{}}
		c.external[e.name] = e
	}
	spec, _ := object["spec"].(map[string]any)
	if !reflect.DeepEqual(e.spec, spec) {
		e.generation++
	}
	annotations := u.GetAnnotations()
	for _, own := range []string{api.AnnotationRevoked, api.AnnotationSecretRemoved, api.AnnotationKeys} {
		if _, set := annotations[own]; !set {
			delete(e.annotations, own)
		}
	}
	maps.Copy(e.annotations, annotations)
	e.owners, _ = object["metadata"].(map[string]any)["ownerReferences"].([]any)
	e.labels, e.spec, e.read = u.GetLabels(), spec, nil
	e.meta++
	e.version++
	c.logf("controller: applies %s (%v)", e.name, annotations)
	c.changed(modelApp())
	return nil
}

func (c cluster1) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := patch.Data(object)
	if err != nil {
		return err
	}
	var p struct {
		Metadata struct {
			UID         types.UID          `json:"uid"`
			Annotations map[string]*string `json:"annotations"`
		} `json:"metadata"`
		Spec struct {
			Template struct {
				Metadata struct {
					Annotations map[string]string `json:"annotations"`
				} `json:"metadata"`
			} `json:"template"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	if e := c.external[object.GetName()]; e != nil {
		c.writes++
		for key, value := range p.Metadata.Annotations {
			if value == nil {
				delete(e.annotations, key)
				continue
			}
			e.annotations[key] = *value
		}
		e.meta++
		e.version++
		e.read = nil
		c.logf("controller: patches %s", raw)
		c.changed(modelApp())
		return nil
	}
	for _, d := range c.deployments {
		if d.name == object.GetName() {
			c.restart(d, p.Spec.Template.Metadata.Annotations)
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, object.GetName())
}

// restart is one by the controller: it must help, and be the only one for its cause.
func (w *world) restart(d *deployment1, annotations map[string]string) {
	cause, _, _ := strings.Cut(annotations[api.AnnotationRestartedFor], ",")
	w.logf("controller: restarts %s for %s", d.name, cause)
	helps := func(p *pod1) bool {
		return w.wrong(p) != "" || p.admitted != w.last[w.path()]
	}
	if !slices.ContainsFunc(w.newest(d), helps) {
		w.faultf("%s is restarted for %s, and all its pods are as the next ones would be", d.name, cause)
	}
	secret, cm := w.secretState(), 0
	if w.configMap != nil {
		cm = w.configMap.state
	}
	once := fmt.Sprintf("%s %s %d %d %s", d.name, cause, secret, cm, w.removals())
	if w.restarted[once]++; w.restarted[once] > 1 {
		w.faultf("%s is restarted twice for %s", d.name, cause)
	}
	maps.Copy(d.template, annotations)
	d.generation++
	d.changed(w)
}

// secretState is what the Secret has; 0 where there is none.
func (w *world) secretState() int {
	if w.secret == nil {
		return 0
	}
	return w.secret.state
}

func (w *world) removals() string {
	for _, e := range w.external {
		if at := e.annotations[api.AnnotationSecretRemoved]; at != "" {
			return at
		}
	}
	return ""
}

func (c cluster1) Delete(_ context.Context, object client.Object, _ ...client.DeleteOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	delete(c.external, object.GetName())
	return nil
}

func (c cluster1) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch o := object.(type) {
	case *corev1.ConfigMap:
		if c.configMap != nil {
			o.Name, o.Namespace, o.Data = key.Name, key.Namespace, map[string]string{"MODE": "x"}
			o.CreationTimestamp = metav1.NewTime(c.configMap.created.Truncate(time.Second))
			changed := metav1.NewTime(c.configMap.changed.Truncate(time.Second))
			o.ManagedFields = []metav1.ManagedFieldsEntry{{Time: &changed, FieldsV1: metav1.NewFieldsV1(`{"f:data":{}}`)}}
			return nil
		}
	case *corev1.Pod:
		for _, p := range c.pods {
			if p.name == key.Name {
				*o = *p.spec.DeepCopy()
				o.Namespace, o.Name, o.UID = key.Namespace, key.Name, types.UID(p.name)
				if !p.running.IsZero() {
					o.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{
						Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(p.running.Truncate(time.Second))},
					}}}
				}
				return nil
			}
		}
	case *unstructured.Unstructured:
		for _, d := range c.deployments {
			if d.name == key.Name {
				o.Object = d.object(c.world)
				return nil
			}
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (c cluster1) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var o client.ListOptions
	o.ApplyOptions(options)
	for _, p := range c.pods {
		if strings.HasSuffix(o.FieldSelector.String(), "="+p.name) {
			list.(*metav1.PartialObjectMetadataList).Items = []metav1.PartialObjectMetadata{{ObjectMeta: metav1.ObjectMeta{Name: p.name, UID: types.UID(p.name)}}}
		}
	}
	return nil
}

// Deployments and pods.

func (w *world) deploy(name string, literals ...string) {
	d := &deployment1{name: name, literals: literals, template: map[string]string{}, generation: 1, created: time.Now()}
	w.deployments = append(w.deployments, d)
	d.changed(w)
}

func (d *deployment1) object(w *world) map[string]any {
	template := map[string]any{}
	for k, v := range d.template {
		template[k] = v
	}
	var env []any
	for _, l := range d.literals {
		env = append(env, map[string]any{"name": l, "value": "literal"})
	}
	ready, current, all := 0, 0, 0
	for _, p := range w.pods {
		if p.of != d.name {
			continue
		}
		all++
		if p.revision == d.generation {
			current++
			if !p.running.IsZero() {
				ready++
			}
		}
	}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{
			"namespace": modelNamespace, "name": d.name, "uid": d.name, "generation": int64(d.generation),
			"creationTimestamp": d.created.UTC().Format(time.RFC3339),
		},
		"spec": map[string]any{"replicas": int64(1), "template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{api.LabelName: "shop"}, "annotations": template},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "app", "env": env}}},
		}},
		"status": map[string]any{
			"observedGeneration": int64(d.generation), "replicas": int64(all), "updatedReplicas": int64(current), "availableReplicas": int64(ready),
		},
	}
}

func (d *deployment1) changed(w *world) {
	raw, err := json.Marshal(d.object(w))
	if err != nil {
		panic(err)
	}
	d.row, err = inventory.WorkloadOf(workload.KindOf(schema.GroupKind{Group: workload.GroupApps, Kind: workload.Deployment}), raw)
	if err != nil {
		panic(err)
	}
	w.changed(modelApp())
}

func (w *world) newest(d *deployment1) []*pod1 {
	var pods []*pod1
	for _, p := range w.pods {
		if p.of == d.name && p.revision == d.generation {
			pods = append(pods, p)
		}
	}
	return pods
}

// syncPods creates the pods that Deployments lack, starts those that can start, and
// deletes those that were replaced.
func (w *world) syncPods() {
	if !w.kubeUp {
		return
	}
	for _, d := range w.deployments {
		if len(w.newest(d)) == 0 {
			w.admit(d)
		}
		for _, p := range w.newest(d) {
			if p.running.IsZero() && w.canStart(p) {
				p.running = time.Now()
				if w.configMap != nil && p.injected {
					p.configMap = w.configMap.state
				}
				if w.secret != nil && p.injected {
					p.secret = w.secret.state
				}
				w.logf("pod %s starts with Secret %d, ConfigMap %d", p.name, p.secret, p.configMap)
				d.changed(w)
			}
			if !p.running.IsZero() {
				before := len(w.pods)
				w.pods = slices.DeleteFunc(w.pods, func(old *pod1) bool { return old.of == d.name && old.revision != d.generation })
				if len(w.pods) != before {
					w.changed(modelApp())
				}
			}
		}
	}
}

func (w *world) canStart(p *pod1) bool {
	for _, c := range p.spec.Spec.Containers {
		for _, f := range c.EnvFrom {
			if f.SecretRef != nil && w.secret == nil && (f.SecretRef.Optional == nil || !*f.SecretRef.Optional) {
				return false
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom == nil {
				continue
			}
			if ref := e.ValueFrom.SecretKeyRef; ref != nil && (ref.Optional == nil || !*ref.Optional) && (w.secret == nil || !slices.Contains(w.secret.keys, ref.Key)) {
				return false
			}
			if ref := e.ValueFrom.ConfigMapKeyRef; ref != nil && (ref.Optional == nil || !*ref.Optional) && w.configMap == nil {
				return false
			}
		}
	}
	return true
}

// admit creates a pod, by the webhook where it runs.
func (w *world) admit(d *deployment1) {
	w.serial++
	p := &pod1{name: fmt.Sprintf("%s-%d", d.name, w.serial), of: d.name, revision: d.generation, created: time.Now()}
	template, _, _ := unstructured.NestedMap(d.object(w), "spec", "template")
	raw, err := json.Marshal(template)
	if err != nil {
		panic(err)
	}
	if w.webhookUp {
		subject := w.engine.Inspect(w.namespace(), raw)
		result := subject.Graft(w.facts(subject.Decision))
		if result.Report.Status == graft.StatusDenied {
			return // its ReplicaSet tries again
		}
		p.injected = result.Report.Status == graft.StatusInjected
		ops, err := json.Marshal(result.Operations)
		if err != nil {
			panic(err)
		}
		decoded, err := jsonpatch.DecodePatch(ops)
		if err != nil {
			panic(err)
		}
		if raw, err = decoded.Apply(raw); err != nil {
			panic(err)
		}
	}
	p.spec = &corev1.Pod{}
	if err := json.Unmarshal(raw, p.spec); err != nil {
		panic(err)
	}
	meta := metav1.PartialObjectMetadata{ObjectMeta: *p.spec.ObjectMeta.DeepCopy()}
	meta.Namespace, meta.Name, meta.UID, meta.CreationTimestamp = modelNamespace, p.name, types.UID(p.name), metav1.NewTime(p.created.Truncate(time.Second))
	meta.Labels["pod-template-hash"] = strconv.Itoa(d.generation)
	meta.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: d.name + "-rs", UID: types.UID(d.name + "-rs"), Controller: new(true)}}
	p.row = inventory.PodOf(&meta)
	for _, known := range w.params {
		if meta.Annotations[api.AnnotationParameterModified] == known.modified.UTC().Format(time.RFC3339Nano) {
			p.admitted = known.state
		}
	}
	w.pods = append([]*pod1{p}, w.pods...)
	w.logf("pod %s of revision %d: %v", p.name, p.revision, meta.Annotations)
	w.changed(modelApp())
}

// facts are what the webhook knows: see eso.ExternalSecrets.State.
func (w *world) facts(d graft.Decision) graft.Facts {
	f := graft.Facts{ConfigMap: graft.ConfigMap{State: graft.ConfigMapNotFound}}
	if w.configMap != nil {
		f.ConfigMap = graft.ConfigMap{State: graft.ConfigMapFound, Keys: []string{"MODE"}}
	}
	var x *externalsecret.ExternalSecret
	if e := w.external[d.Identity.ExternalSecret]; e != nil {
		x = e.parsed()
	}
	wants := externalsecret.WantsOf(d, w.config.ExternalSecretFor(d.Identity.ParameterEnvironment))
	f.SecretMissing = x == nil || !x.SecretExists() && !x.Occupied()
	f.NeverSeen = x == nil || !x.Record.Known() && x.Status.RefreshTime.IsZero()
	switch {
	case x != nil && x.Occupied():
		f.Parameter = graft.Parameter{State: graft.ParameterUnchecked}
	case x != nil && x.Record.Of(wants) && x.Record.Known() && x.Settled(time.Now()):
		f.Parameter = x.Keys(time.Now())
	default:
		f.Parameter = w.ask(d.Identity.Parameter)
	}
	return f
}

// wrong says why a running pod has not what the next one would get; "" where it has.
func (w *world) wrong(p *pod1) string {
	param := w.params[w.path()]
	switch {
	case !p.injected:
		return "it is not injected"
	case p.row.Annotations.Get(api.AnnotationParameter) != w.path():
		return "it has another parameter"
	case p.secret != w.secretState():
		return fmt.Sprintf("it has Secret %d, not %d", p.secret, w.secretState())
	case w.configMap != nil && p.configMap != w.configMap.state:
		return fmt.Sprintf("it has ConfigMap %d, not %d", p.configMap, w.configMap.state)
	}
	for _, c := range p.spec.Spec.Containers {
		for _, e := range c.Env {
			if e.Value != "" && param != nil && slices.Contains(param.keys, e.Name) {
				return "its literal " + e.Name + " shadows a key"
			}
		}
	}
	return ""
}

// What the controller holds in memory.

func (w *world) Workloads(client.ObjectKey) []*inventory.Workload {
	var rows []*inventory.Workload
	for _, d := range w.deployments {
		rows = append(rows, d.row)
	}
	return rows
}

func (w *world) Workload(of workload.Ref) *inventory.Workload {
	for _, d := range w.deployments {
		if d.name == of.Name {
			return d.row
		}
	}
	return nil
}

func (w *world) Pods(client.ObjectKey) []*inventory.Pod {
	var rows []*inventory.Pod
	for _, p := range w.pods {
		if p.injected {
			rows = append(rows, p.row)
		}
	}
	return rows
}

func (w *world) AllPods(client.ObjectKey) []*inventory.Pod {
	var rows []*inventory.Pod
	for _, p := range w.pods {
		rows = append(rows, p.row)
	}
	return rows
}

func (*world) Listed(schema.GroupKind) bool { return true }

func (w *world) Top(_ context.Context, pod *inventory.Pod) (*workload.Ref, error) {
	for _, p := range w.pods {
		if p.row == pod {
			return &w.Workload(workload.Ref{Name: p.of}).Ref, nil
		}
	}
	return nil, nil
}

func (*world) Alive(context.Context, workload.Ref) (bool, error) { return true, nil }

// ESO as the controller knows it.

type installation1 struct{ *world }

func (installation1) ServedVersion() string { return "v1" }

func (i installation1) Get(_ context.Context, _, name string) (*externalsecret.ExternalSecret, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if e := i.external[name]; e != nil {
		return e.parsed(), nil
	}
	return nil, nil
}

func (i installation1) Filling(context.Context, string, string, string) (*externalsecret.ExternalSecret, error) {
	return nil, nil
}

func (i installation1) OfApp(context.Context, client.ObjectKey) ([]*externalsecret.ExternalSecret, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []*externalsecret.ExternalSecret
	for _, name := range slices.Sorted(maps.Keys(i.external)) {
		all = append(all, i.external[name].parsed())
	}
	return all, nil
}

func (installation1) Lacks(context.Context, string, externalsecret.StoreRef) bool { return false }

type external2 struct{ *world }

func (x external2) Installation() Installation { return installation1(x) }

func (external2) Quota(context.Context, client.ObjectKey) (string, error) { return "", nil }

func (external2) Question(_ context.Context, namespace string, w externalsecret.Wants, freshAfter time.Time) (facts.Question, string) {
	return facts.Question{Namespace: namespace, Parameter: w.Parameter, Secret: w.Secret, FreshAfter: freshAfter, Recorded: true}, ""
}

// checked are the ExternalSecrets whose versions are checked.
type checked struct{ *world }

func (c checked) Made(ctx context.Context) ([]*externalsecret.ExternalSecret, error) {
	return installation1(c).OfApp(ctx, modelApp())
}

func (c checked) Question(ctx context.Context, namespace string, w externalsecret.Wants) (facts.Question, string) {
	return external2(c).Question(ctx, namespace, w, time.Time{})
}

type namespaces1 struct{ *world }

func (n namespaces1) Namespace(context.Context, string) (identity.Namespace, error) {
	return n.namespace(), nil
}

func (n namespaces1) Current(context.Context, string) (identity.Namespace, error) {
	return n.namespace(), nil
}
