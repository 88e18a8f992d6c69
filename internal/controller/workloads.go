package controller

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

// workloadObject is the part of a workload that the controller reads.
type workloadObject struct {
	metav1.TypeMeta
	metav1.ObjectMeta

	// labels and annotations are the pod template's.
	labels, annotations pairs
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

type templateView struct {
	Metadata struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *workloadObject) UnmarshalJSON(raw []byte) error {
	var view struct {
		metav1.TypeMeta `json:",inline"`

		Metadata metadataView `json:"metadata"`
		Spec     struct {
			Template    templateView `json:"template"`
			JobTemplate struct {
				Spec struct {
					Template templateView `json:"template"`
				} `json:"spec"`
			} `json:"jobTemplate"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(raw, &view); err != nil {
		return fmt.Errorf("cannot read a workload: %w", err)
	}
	template := view.Spec.Template.Metadata
	if view.Kind == workload.CronJob {
		template = view.Spec.JobTemplate.Spec.Template.Metadata
	}
	m := view.Metadata
	*w = workloadObject{
		TypeMeta: view.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion,
			CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
		},
		labels:      pairsOf(template.Labels, identifies),
		annotations: pairsOf(template.Annotations, identifies),
	}
	if end, ok := m.Annotations[metav1.InitialEventsAnnotationKey]; ok {
		w.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: end}
	}
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

// workloadRow is what is held of a workload whose template names an app.
type workloadRow struct {
	workload.Ref

	created  second
	deleting bool
	appName  string
	// labels and annotations are the pod template's.
	labels, annotations pairs
}

func (w *workloadRow) key() client.ObjectKey {
	return client.ObjectKey{Namespace: w.Namespace, Name: w.Name}
}

func (w *workloadRow) app() client.ObjectKey {
	return client.ObjectKey{Namespace: w.Namespace, Name: w.appName}
}

// pod is what the workload's pods are admitted as.
func (w *workloadRow) pod() identity.Pod {
	return identity.Pod{Labels: w.labels.toMap(), Annotations: w.annotations.toMap()}
}

func sameWorkload(last, next *workloadRow) bool {
	return last.UID == next.UID && last.deleting == next.deleting && last.appName == next.appName &&
		slices.Equal(last.labels, next.labels) && slices.Equal(last.annotations, next.annotations)
}

// rowOf holds nothing of a workload whose pods name no app: they are nobody's.
func rowOf(k workload.Kind, object runtime.Object) *workloadRow {
	w, ok := object.(*workloadObject)
	if !ok {
		return nil
	}
	app := appName(w.labels.get)
	if app == "" {
		return nil
	}
	return &workloadRow{
		Ref: workload.Ref{
			APIVersion: k.GroupVersion().String(), Kind: k.Kind, Namespace: intern(w.Namespace), Name: w.Name, UID: w.UID,
		},
		created: secondOf(w.CreationTimestamp), deleting: w.DeletionTimestamp != nil, appName: app,
		labels: w.labels, annotations: w.annotations,
	}
}

// appName is the app that labels name, by the rule of identity.
func appName(label func(key string) string) string {
	return cmp.Or(label(api.LabelApp), label(api.LabelName))
}

// workloads are the tables of all kinds.
type workloads struct {
	kinds  []workload.Kind
	tables map[schema.GroupKind]*table[*workloadRow]
}

func newWorkloads(changed func(client.ObjectKey)) *workloads {
	w := &workloads{kinds: workload.DeployedKinds(), tables: make(map[schema.GroupKind]*table[*workloadRow])}
	for _, k := range w.kinds {
		w.tables[k.GroupKind()] = newTable(func(o runtime.Object) *workloadRow { return rowOf(k, o) }, sameWorkload, changed)
	}
	return w
}

// start fills the tables until ctx is done.
func (w *workloads) start(ctx context.Context, c connection) error {
	for _, k := range w.kinds {
		lw, err := c.workloadWatch(k)
		if err != nil {
			return err
		}
		t := w.tables[k.GroupKind()]
		if k.Optional {
			go reflectServed(ctx, c, k.Resource, lw, &workloadObject{}, t)
			continue
		}
		go reflect(ctx, k.Resource, lw, &workloadObject{}, t)
	}
	return nil
}

func (w *workloads) wait(ctx context.Context) error {
	for _, k := range w.kinds {
		if err := w.tables[k.GroupKind()].wait(ctx); err != nil {
			return fmt.Errorf("%s: %w", k.Resource, err)
		}
	}
	return nil
}

// of returns the workloads of an app.
func (w *workloads) of(app client.ObjectKey) []*workloadRow {
	var rows []*workloadRow
	for _, t := range w.tables {
		rows = append(rows, t.of(app)...)
	}
	return rows
}

// listed says that a workload of that kind that is not held is not there, or
// names no app.
func (w *workloads) listed(gk schema.GroupKind) bool {
	t := w.tables[gk]
	return t != nil && t.isListed()
}

// held returns the row of the workload with that UID; nil where it is gone, or
// names no app.
func (w *workloads) held(of workload.Ref) *workloadRow {
	t := w.tables[of.GroupKind()]
	if t == nil {
		return nil
	}
	row := t.get(client.ObjectKey{Namespace: of.Namespace, Name: of.Name})
	if row == nil || row.UID != of.UID {
		return nil
	}
	return row
}

// optedIn are the namespaces with workloads that opt in by themselves.
func (w *workloads) optedIn() map[string]bool {
	namespaces := make(map[string]bool)
	for _, t := range w.tables {
		for row := range t.all() {
			if row.labels.get(api.LabelInject) == api.Enabled {
				namespaces[row.Namespace] = true
			}
		}
	}
	return namespaces
}

func (w *workloads) appsIn(namespace string) []client.ObjectKey {
	var apps []client.ObjectKey
	for _, t := range w.tables {
		apps = append(apps, t.appsIn(namespace)...)
	}
	return apps
}
