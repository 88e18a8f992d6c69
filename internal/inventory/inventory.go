// Package inventory holds what the leader needs of workloads and pods, and which
// owns which. It keeps rows of the few labels and annotations that matter, each
// bounded in length, and no objects: anybody can make an object large.
package inventory

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/workload"
)

// Recorder is told how much is held of a kind.
type Recorder interface {
	SetHeld(resource string, objects, bytes int)
}

// Inventory is of one leader's term. All methods may be called at once.
type Inventory struct {
	connection Connection
	workloads  *workloads
	// pods are those that the webhook labelled, and uninjected those that it did not.
	pods, uninjected *table[*Pod]
	// asked are Namespaces whose opt-in changed.
	asked chan string
}

// New returns an empty inventory, which calls changed with each app of which
// something changed.
func New(c Connection, recorder Recorder, changed func(app client.ObjectKey)) *Inventory {
	held := func(resource string) func(objects, bytes int) {
		return func(objects, bytes int) { recorder.SetHeld(resource, objects, bytes) }
	}
	return &Inventory{
		connection: c,
		workloads:  newWorkloads(changed, held),
		pods:       newTable(PodOf, samePod, changed, held("pods")),
		uninjected: newTable(PodOf, samePod, changed, held("uninjected_pods")),
		asked:      make(chan string, 1024),
	}
}

// Start fills the inventory until ctx is done.
func (i *Inventory) Start(ctx context.Context) error {
	pods, err := i.connection.podMetadata()
	if err != nil {
		return err
	}
	go watchInto(ctx, i.connection.Name+"/pods", pods, &metav1.PartialObjectMetadata{}, i.pods)
	return i.workloads.start(ctx, i.connection)
}

// Wait waits until all is listed: a workload that is not listed yet must not be
// taken for one that is gone.
func (i *Inventory) Wait(ctx context.Context) error {
	if err := i.workloads.wait(ctx); err != nil {
		return fmt.Errorf("cannot list workloads: %w", err)
	}
	if err := i.pods.wait(ctx); err != nil {
		return fmt.Errorf("cannot list pods: %w", err)
	}
	return nil
}

// Workloads returns the workloads of an app, in no order.
func (i *Inventory) Workloads(app client.ObjectKey) []*Workload { return i.workloads.of(app) }

// Workload returns what is held of one; nil where it is gone, or names no app.
func (i *Inventory) Workload(of workload.Ref) *Workload { return i.workloads.held(of) }

// Pods returns the pods of an app that the webhook labelled, newest first.
func (i *Inventory) Pods(app client.ObjectKey) []*Pod { return newestFirst(i.pods.of(app)) }

// AllPods returns the pods of an app, those included that the webhook did not
// see, newest first.
func (i *Inventory) AllPods(app client.ObjectKey) []*Pod {
	return newestFirst(slices.Concat(i.pods.of(app), i.uninjected.of(app)))
}

// Listed says that a workload of that kind that is not held is not there, or
// names no app.
func (i *Inventory) Listed(gk schema.GroupKind) bool { return i.workloads.listed(gk) }

// Apps lists the apps of a namespace, with "" of all; some twice.
func (i *Inventory) Apps(namespace string) []client.ObjectKey {
	return append(i.workloads.appsIn(namespace), i.pods.appsIn(namespace)...)
}
