package inventory

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
)

// workloads are the tables of all kinds.
type workloads struct {
	kinds  []workload.Kind
	tables map[schema.GroupKind]*table[*Workload]
}

// newWorkloads calls changed with each app whose workloads changed.
func newWorkloads(changed func(client.ObjectKey), held func(resource string) func(objects, bytes int)) *workloads {
	w := &workloads{kinds: workload.DeployedKinds(), tables: make(map[schema.GroupKind]*table[*Workload])}
	tell := func(app client.ObjectKey) {
		if app, ok := w.appOf(app); ok {
			changed(app)
		}
	}
	for _, k := range w.kinds {
		w.tables[k.GroupKind()] = newTable(func(o runtime.Object) *Workload { return rowOf(k, o) }, sameWorkload, tell, held(k.Resource))
	}
	return w
}

// start fills the tables until ctx is done.
func (w *workloads) start(ctx context.Context, c Connection) error {
	for _, k := range w.kinds {
		lw, err := c.workloadWatch(k)
		if err != nil {
			return err
		}
		t := w.tables[k.GroupKind()]
		if k.Optional {
			go watchServed(ctx, c, k.Resource, lw, &workloadObject{}, t)
			continue
		}
		go watchInto(ctx, c.Name+"/"+k.Resource, lw, &workloadObject{}, t)
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
func (w *workloads) of(app client.ObjectKey) []*Workload {
	var rows []*Workload
	for _, k := range w.kinds {
		rows = append(rows, w.tables[k.GroupKind()].of(app)...)
	}
	for _, row := range rows {
		if row.Kind == workload.Deployment {
			for _, rollout := range w.rollouts().of(referring(row.Namespace, row.Name)) {
				rows = append(rows, rollout.with(row))
			}
		}
	}
	return rows
}

// with is a Rollout that uses a Deployment's template, with that.
func (w *Workload) with(deployment *Workload) *Workload {
	whole := *w
	whole.appName, whole.Labels, whole.Annotations = deployment.appName, deployment.Labels, deployment.Annotations
	return &whole
}

func (w *workloads) rollouts() *table[*Workload] {
	return w.tables[schema.GroupKind{Group: workload.GroupArgo, Kind: workload.Rollout}]
}

func (w *workloads) deployments() *table[*Workload] {
	return w.tables[schema.GroupKind{Group: workload.GroupApps, Kind: workload.Deployment}]
}

// appOf is the app that the rows of a table are found by; that of Rollouts which
// use a Deployment's template is the Deployment's.
func (w *workloads) appOf(key client.ObjectKey) (client.ObjectKey, bool) {
	deployment, refers := strings.CutPrefix(key.Name, referrerPrefix)
	if !refers {
		return key, true
	}
	row := w.deployments().get(client.ObjectKey{Namespace: key.Namespace, Name: deployment})
	if row == nil {
		return client.ObjectKey{}, false
	}
	return row.app(), true
}

// listed says that a workload of that kind that is not held is not there, or
// names no app.
func (w *workloads) listed(gk schema.GroupKind) bool {
	t := w.tables[gk]
	return t != nil && t.isListed()
}

// held returns the row of a workload; nil where it is gone, or names no app.
func (w *workloads) held(of workload.Ref) *Workload {
	t := w.tables[of.GroupKind()]
	if t == nil {
		return nil
	}
	row := t.get(client.ObjectKey{Namespace: of.Namespace, Name: of.Name})
	if row == nil || row.UID != of.UID {
		return nil
	}
	if row.deployment == "" {
		return row
	}
	deployment := w.deployments().get(client.ObjectKey{Namespace: row.Namespace, Name: row.deployment})
	if deployment == nil {
		return nil
	}
	return row.with(deployment)
}

// optedIn are the namespaces with workloads that opt in by themselves.
func (w *workloads) optedIn() map[string]bool {
	namespaces := make(map[string]bool)
	for _, t := range w.tables {
		for row := range t.all() {
			if row.Labels.Get(api.LabelInject) == api.Enabled {
				namespaces[row.Namespace] = true
			}
		}
	}
	return namespaces
}

func (w *workloads) appsIn(namespace string) []client.ObjectKey {
	var apps []client.ObjectKey
	for _, t := range w.tables {
		for _, key := range t.appsIn(namespace) {
			if app, ok := w.appOf(key); ok {
				apps = append(apps, app)
			}
		}
	}
	return apps
}
