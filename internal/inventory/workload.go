package inventory

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

// workloadObject is the part of a workload that the controller reads.
type workloadObject struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	// template is spec.template, and jobTemplate that of a CronJob's Jobs. Which one
	// is meant is the table's to say: API servers leave the kind out of list items.
	template, jobTemplate templateMeta
	// ref is where a Rollout without a template has its own.
	ref templateRef
}

// templateMeta is what counts of a pod template's metadata.
type templateMeta struct{ labels, annotations Pairs }

// templateRef names the workload whose template a Rollout uses, see
// https://argo-rollouts.readthedocs.io/en/stable/migrating/.
type templateRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
}

// metadataView leaves out managedFields, which is most of an object's metadata.
type metadataView struct {
	Namespace         string            `json:"namespace"`
	Name              string            `json:"name"`
	UID               types.UID         `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	CreationTimestamp metav1.Time       `json:"creationTimestamp"`
	DeletionTimestamp *metav1.Time      `json:"deletionTimestamp"`
	Annotations       map[string]string `json:"annotations"`
}

func (m metadataView) object() metav1.ObjectMeta {
	o := metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
	}
	// It says that a watch has sent all that there is.
	if end, ok := m.Annotations[metav1.InitialEventsAnnotationKey]; ok {
		o.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: end}
	}
	return o
}

type templateView struct {
	Metadata struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

func (t templateView) meta() templateMeta {
	return templateMeta{pairsOf(t.Metadata.Labels, identifies), pairsOf(t.Metadata.Annotations, identifies)}
}

type specView struct {
	Template    templateView `json:"template"`
	JobTemplate struct {
		Spec struct {
			Template templateView `json:"template"`
		} `json:"spec"`
	} `json:"jobTemplate"`
	WorkloadRef templateRef `json:"workloadRef"`
}

// UnmarshalJSON implements json.Unmarshaler. One that cannot be read is nobody's:
// a CRD may be lax, and an error here would fail the whole list, which keeps the
// workloads of everybody from the leader.
func (w *workloadObject) UnmarshalJSON(raw []byte) error {
	var view struct {
		metav1.TypeMeta `json:",inline"`

		Metadata metadataView    `json:"metadata"`
		Spec     json.RawMessage `json:"spec"`
	}
	if err := utiljson.Unmarshal(raw, &view); err != nil { // the API server checks metadata whatever the CRD says
		return fmt.Errorf("cannot read the metadata of a workload: %w", err)
	}
	*w = workloadObject{TypeMeta: view.TypeMeta, ObjectMeta: view.Metadata.object()}
	var spec specView
	if len(view.Spec) == 0 {
		return nil
	}
	if err := utiljson.Unmarshal(view.Spec, &spec); err != nil {
		return nil //nolint:nilerr // where a CRD is lax, a spec can be anything: this one has no template
	}
	w.template, w.jobTemplate, w.ref = spec.Template.meta(), spec.JobTemplate.Spec.Template.meta(), spec.WorkloadRef
	return nil
}

// DeepCopyObject is what runtime.Object asks for.
func (w *workloadObject) DeepCopyObject() runtime.Object {
	c := *w
	c.ObjectMeta = *w.ObjectMeta.DeepCopy()
	return &c
}

type workloadObjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []workloadObject `json:"items"`
}

// DeepCopyObject is what runtime.Object asks for.
func (l *workloadObjectList) DeepCopyObject() runtime.Object {
	c := *l
	c.Items = slices.Clone(l.Items)
	return &c
}

// Workload is what is held of a workload whose template names an app.
type Workload struct {
	workload.Ref

	Deleting bool
	// Labels and Annotations are the pod template's.
	Labels, Annotations Pairs

	created second
	appName string
	// deployment is whose template a Rollout uses; empty where it has its own.
	deployment string
}

func (w *Workload) key() client.ObjectKey {
	return client.ObjectKey{Namespace: w.Namespace, Name: w.Name}
}

// app of a Rollout that uses a Deployment's template is not known here: it is
// found by the Deployment. No label has a slash in it.
func (w *Workload) app() client.ObjectKey {
	if w.deployment != "" {
		return referring(w.Namespace, w.deployment)
	}
	return client.ObjectKey{Namespace: w.Namespace, Name: w.appName}
}

// referring is what the Rollouts are found by that use a Deployment's template.
func referring(namespace, deployment string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: referrerPrefix + deployment}
}

const referrerPrefix = workload.Deployment + "/"

// Created is when the workload was created, to the second.
func (w *Workload) Created() time.Time { return w.created.time() }

// Identity is what the workload's pods are admitted as.
func (w *Workload) Identity() identity.Pod {
	return identity.Pod{Labels: w.Labels.Map(), Annotations: w.Annotations.Map()}
}

// Template is the workload that has the pod template: itself, or the Deployment
// whose template a Rollout uses. Its UID is empty where it is another.
func (w *Workload) Template() workload.Ref {
	if w.deployment == "" {
		return w.Ref
	}
	return workload.Ref{APIVersion: "apps/v1", Kind: workload.Deployment, Namespace: w.Namespace, Name: w.deployment}
}

func (w *Workload) size() int {
	return workloadSize + len(w.Name) + len(w.UID) + len(w.appName) + len(w.deployment) + w.Labels.size() + w.Annotations.size()
}

// workloadSize is what a row takes without its texts, its places in the table's
// maps included.
const workloadSize = 450

func sameWorkload(last, next *Workload) bool {
	return last.UID == next.UID && last.Deleting == next.Deleting && last.app() == next.app() &&
		slices.Equal(last.Labels, next.Labels) && slices.Equal(last.Annotations, next.Annotations)
}

// rowOf holds nothing of a workload whose pods name no app: they are nobody's.
func rowOf(k workload.Kind, object runtime.Object) *Workload {
	w, ok := object.(*workloadObject)
	if !ok {
		return nil
	}
	template, deployment := w.template, ""
	if k.InJobTemplate() {
		template = w.jobTemplate
	}
	app := appName(template.labels.Get)
	if k.Kind == workload.Rollout && app == "" && w.ref.Kind == workload.Deployment && w.ref.Name != "" {
		template, deployment = templateMeta{}, strings.Clone(w.ref.Name)
	}
	if app == "" && deployment == "" {
		return nil
	}
	return &Workload{
		Ref: workload.Ref{
			APIVersion: intern(k.GroupVersion().String()), Kind: k.Kind, Namespace: intern(w.Namespace), Name: w.Name, UID: w.UID,
		},
		created: secondOf(w.CreationTimestamp), Deleting: w.DeletionTimestamp != nil, appName: app, deployment: deployment,
		Labels: template.labels, Annotations: template.annotations,
	}
}

// appName is the app that labels name, by the rule of identity.
func appName(label func(key string) string) string {
	return cmp.Or(label(api.LabelApp), label(api.LabelName))
}

// WorkloadOf reads what is held of a workload of a kind from its JSON; nil where its
// pods name no app.
func WorkloadOf(k workload.Kind, raw []byte) (*Workload, error) {
	w := &workloadObject{}
	if err := json.Unmarshal(raw, w); err != nil {
		return nil, fmt.Errorf("cannot read a workload: %w", err)
	}
	return rowOf(k, w), nil
}
