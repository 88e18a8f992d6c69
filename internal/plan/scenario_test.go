package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/inventory"
	"github.com/envgraft/envgraft/internal/memory"
	"github.com/envgraft/envgraft/internal/workload"
)

const (
	parameter = "/shops/shop/stage/app"
	injects   = "ConfigMap/shop-config,Secret/shop-secrets"
)

func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

// at is some minutes after 11 o'clock; it is noon.
func at(minutes int) time.Time { return noon().Add(time.Duration(minutes-60) * time.Minute) }

// scenario is a cluster with one app, and what it answers.
type scenario struct {
	*Snapshot

	t     *testing.T
	rules Rules
	clock *clocktesting.FakeClock
	// top is the workload above each pod.
	top workload.Ref
	// existing are all ExternalSecrets.
	existing map[string]*externalsecret.ExternalSecret
	// found is what a lookup says of the parameter, and record what is recorded of it.
	found     Found
	record    *externalsecret.Record
	newest    time.Time
	configMap ConfigMap
	// object is the workload as the API server has it, and pod a pod.
	object *unstructured.Unstructured
	pod    *corev1.Pod
	data   *corev1.ConfigMap
	// quota, lacks, shadows and gone are answers.
	quota                string
	lacks, shadows, gone bool
	// failing are questions that the API server does not answer.
	failing func(question any) error
	asked   []any
}

func deploymentRef(name string) workload.Ref {
	return workload.Ref{APIVersion: "apps/v1", Kind: workload.Deployment, Namespace: "shops", Name: name, UID: types.UID(name)}
}

// newScenario has a Deployment "web" and nothing else.
func newScenario(t *testing.T) *scenario {
	t.Helper()
	clock := clocktesting.NewFakeClock(noon())
	c := config.Default()
	c.Environment = "stage"
	s := &scenario{
		t: t,
		Snapshot: &Snapshot{
			App: types.NamespacedName{Namespace: "shops", Name: "shop"}, Now: noon(), ESOVersion: "v1", Memory: memory.New(clock),
			Namespace: &identity.Namespace{Name: "shops", Labels: map[string]string{api.LabelInject: api.Enabled}},
			Listed:    map[schema.GroupKind]bool{},
		},
		rules: Rules{
			Decider: graft.New(c.Engine()), Settings: c.ExternalSecretFor, MinRestartInterval: time.Minute, KeepUnused: 24 * time.Hour,
		},
		clock: clock, top: deploymentRef("web"), existing: map[string]*externalsecret.ExternalSecret{},
		object: &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}},
	}
	for _, k := range workload.DeployedKinds() {
		s.Listed[k.GroupKind()] = true
	}
	s.addWorkload(workload.Deployment, "web", nil)
	return s
}

// addWorkload adds one whose template has annotations.
func (s *scenario) addWorkload(kind, name string, annotations map[string]string) {
	s.t.Helper()
	raw, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"namespace": "shops", "name": name, "uid": name, "creationTimestamp": at(0).Format(time.RFC3339)},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
			"labels": map[string]string{api.LabelName: "shop"}, "annotations": annotations,
		}}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	row, err := inventory.WorkloadOf(workload.KindOf(schema.GroupKind{Group: workload.GroupApps, Kind: kind}), raw)
	if err != nil || row == nil {
		s.t.Fatalf("no workload: %v", err)
	}
	s.Workloads = append(s.Workloads, row)
}

// addPod adds a pod of the Deployment, older than those that were added before.
func (s *scenario) addPod(name string, created time.Time, annotations ...string) *inventory.Pod {
	o := metav1.ObjectMeta{
		Namespace: "shops", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(created),
		Labels:          map[string]string{api.LabelName: "shop", api.LabelApp: "shop", "pod-template-hash": "1"},
		Annotations:     map[string]string{api.AnnotationInjected: injects, api.AnnotationParameter: parameter},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-1", UID: "web-1", Controller: new(true)}},
	}
	for pair := range slices.Chunk(annotations, 2) {
		o.Annotations[pair[0]] = pair[1]
	}
	pod := inventory.PodOf(&metav1.PartialObjectMetadata{ObjectMeta: o})
	s.Pods, s.AllPods = append(s.Pods, pod), append(s.AllPods, pod)
	return pod
}

// keep has an ExternalSecret as the controller keeps it, which ESO synced at a time.
func (s *scenario) keep(refreshed time.Time, change ...func(*externalsecret.ExternalSecret)) *externalsecret.ExternalSecret {
	s.t.Helper()
	d := externalsecret.Desired{
		Namespace: "shops", Name: "shop-external", App: "shop", Phase: externalsecret.PhaseOwn,
		Wants: externalsecret.Wants{
			Parameter: parameter, Secret: "shop-secrets", RefreshInterval: s.rules.Settings("stage").RefreshInterval,
			DeletionPolicy: s.rules.Settings("stage").DeletionPolicy,
			Store:          graft.Store{Kind: s.rules.Settings("stage").SecretStore.Kind, Name: s.rules.Settings("stage").SecretStore.Name},
		},
		Record: s.record, Owners: []workload.Ref{deploymentRef("web")},
	}
	e := storedAs(s.t, d, func(e *externalsecret.ExternalSecret) {
		e.Spec.Target.DeletionPolicy = d.Wants.DeletionPolicy
		e.Status = externalsecret.Status{
			SyncedResourceVersion: "0-hash", RefreshTime: metav1.NewTime(refreshed), Binding: externalsecret.Binding{Name: "shop-secrets"},
			Conditions: []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: externalsecret.ReasonSynced}},
		}
		for _, c := range change {
			c(e)
		}
	})
	s.existing[e.Name] = e
	s.OfApp = append(s.OfApp, e)
	return e
}

func storedAs(t *testing.T, d externalsecret.Desired, change func(*externalsecret.ExternalSecret)) *externalsecret.ExternalSecret {
	t.Helper()
	object, err := d.Object("v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	e := &externalsecret.ExternalSecret{}
	if err := json.Unmarshal(raw, e); err != nil {
		t.Fatal(err)
	}
	e.UID, e.ResourceVersion = "es", "1"
	var owners []string
	for _, o := range d.Owners {
		owners = append(owners, fmt.Sprintf(`"k:{\"uid\":\"%s\"}":{}`, o.UID))
	}
	fields := &metav1.FieldsV1{}
	fields.SetRawString(`{"f:metadata":{"f:ownerReferences":{` + strings.Join(owners, ",") + `}}}`)
	e.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: api.FieldManager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: fields}}
	change(e)
	if _, err := externalsecret.Compact(e); err != nil {
		t.Fatal(err)
	}
	return e
}

// recordOf is a record of a version of the parameter.
func recordOf(version int64, asOf time.Time, keys ...string) *externalsecret.Record {
	return &externalsecret.Record{
		Parameter: parameter, Store: "ClusterSecretStore/aws-ssm", Version: version, Modified: asOf.Add(-time.Minute), AsOf: asOf, Keys: keys,
	}
}

// make makes a plan, and answers its questions.
func (s *scenario) make(t *testing.T) Plan {
	t.Helper()
	for range 20 {
		p := s.rules.Make(s.Snapshot)
		if len(p.Questions) == 0 {
			return p
		}
		for _, q := range p.Questions {
			s.asked = append(s.asked, q)
			if s.failing != nil {
				if err := s.failing(q); err != nil {
					s.Answer(q, nil, err)
					continue
				}
			}
			s.Answer(q, s.answer(t, q), nil)
		}
	}
	t.Fatal("the plan asks without end")
	return Plan{}
}

func (s *scenario) answer(t *testing.T, question any) any {
	t.Helper()
	switch q := question.(type) {
	case TopOf:
		top := s.top
		return Top{Ref: &top, Row: s.Workloads[0]}
	case IsAlive:
		return !s.gone
	case Existing:
		return s.existing[q.Name]
	case Filling:
		for name, e := range s.existing {
			if name != q.Except && e.SecretName() == q.Secret {
				return e
			}
		}
		return (*externalsecret.ExternalSecret)(nil)
	case StoreMissing:
		return s.lacks
	case Quota:
		return s.quota
	case LookupOf:
		return Lookup{Newest: s.newest}
	case ParameterOf:
		return s.found
	case RecordOf:
		return s.record
	case Shadows:
		return s.shadows
	case ObjectOf:
		return s.object
	case PodRuns:
		return !s.gone
	case PodNamed:
		if s.pod != nil {
			return s.pod
		}
		return runningSince(q.Name, at(0))
	case ConfigMapOf:
		cm := s.configMap
		cm.Name = q.Name
		return cm
	case ConfigMapData:
		return s.data
	}
	t.Fatalf("a %T is asked", question)
	return nil
}

// runningSince is a pod as the API server has it.
func runningSince(name string, started time.Time) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: name, UID: types.UID(name)},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)},
		}}}},
	}
}

// actions are those of all steps.
func (p Plan) actions() []Action {
	var all []Action
	for _, s := range p.Steps {
		all = append(all, s.Actions...)
	}
	return all
}

// actionsOf are those of a type.
func actionsOf[A Action](p Plan) []A {
	var all []A
	for _, a := range p.actions() {
		if a, ok := a.(A); ok {
			all = append(all, a)
		}
	}
	return all
}

// said are the reasons and notes of Events, those of a reason that is over left out.
func (p Plan) said() []string {
	var all []string
	for _, n := range p.Notices {
		if n.Event.Reason != "" {
			all = append(all, n.Workload.Name+" "+n.Event.Reason+" "+n.Event.Note)
		}
	}
	return all
}

// says that one Event begins with a text; an empty text is for none.
func (p Plan) says(t *testing.T, event string) {
	t.Helper()
	said := p.said()
	if event == "" && len(said) > 0 || event != "" && (len(said) == 0 || !strings.HasPrefix(said[0], event)) {
		t.Errorf("the Events say %q, want %q", said, event)
	}
}

// remembers that something is settled, once the plan is carried out.
func (s *scenario) remembers(p Plan, about any) bool {
	for _, m := range p.Memories {
		m(s.Memory)
	}
	return s.Memory.Settled(about)
}

var errRefused = errors.New("the API server does not answer")
