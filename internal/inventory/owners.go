package inventory

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/expiring"
	"github.com/envgraft/envgraft/internal/workload"
)

// The bounds of what owners remembers. An entry is about 300 bytes.
const (
	ownersRemembered = 65536
	ownersTTL        = 12 * time.Hour
)

// Owners walks from pods to the workloads that people deployed, and only where
// it matters whose they are. ownerReferences are the pod author's, who may
// write there whatever exists: a link counts only if the API server has the
// object that it names, with that UID, and of a kind that makes such objects.
type Owners struct {
	reader    client.Reader // not cached, metadata only
	workloads *workloads
	// known is what is above ReplicaSets and Jobs, those that are not there
	// included, by the whole reference: by a UID alone a pod would get at another
	// namespace's workload, or have that one's pods taken for nobody's. It all but
	// never changes, so one read of each is enough; an informer would hold every old
	// revision of every Deployment.
	known *expiring.Cache[workload.Ref, above]
}

// above is what is remembered of a ReplicaSet or Job.
type above struct {
	// gone says that there is none of that name and UID. Neither comes back.
	gone bool
	// controller is the owner that it names, nil where it names none.
	controller *workload.Ref
	// again says that it was read once more because its controller is not held.
	again bool
}

// Owners reads with reader, which must not be cached, what the inventory does
// not hold.
func (i *Inventory) Owners(reader client.Reader) *Owners {
	return &Owners{reader: reader, workloads: i.workloads, known: expiring.New[workload.Ref, above](clock.RealClock{}, ownersRemembered, ownersTTL)}
}

// Top returns the workload at the top of a pod's owners. Where nobody of a
// kind that makes pods stands there it is the last one that does, in the end
// the pod itself: such workloads own nothing. nil is for a pod whose owner is
// gone, or never was: it is about to be collected, or its author made it up.
func (o *Owners) Top(ctx context.Context, pod *Pod) (*workload.Ref, error) {
	itself := pod.Ref()
	if pod.Controller == nil {
		return &itself, nil
	}
	switch at := pod.Controller.KindOf(); {
	case len(at.Makers) > 0:
		return o.over(ctx, *pod.Controller)
	case at.MakesPods:
		return o.held(*pod.Controller), nil
	}
	return &itself, nil // an operator's, or made up: a Deployment makes no pods
}

// over returns the workload above a ReplicaSet or Job.
func (o *Owners) over(ctx context.Context, w workload.Ref) (*workload.Ref, error) {
	w = w.Served()
	a, err := o.above(ctx, w)
	if err != nil {
		return nil, err
	}
	top, sure := o.topOf(w, a)
	if sure || a.again {
		return top, nil
	}
	// kubectl delete --cascade=orphan leaves ReplicaSets to themselves. One look
	// is enough: what never was there does not come.
	if a, err = o.readAbove(ctx, w, true); err != nil {
		return nil, err
	}
	top, _ = o.topOf(w, a)
	return top, nil
}

// topOf returns the workload that people deployed, and whether that is certain.
func (o *Owners) topOf(w workload.Ref, a above) (top *workload.Ref, sure bool) {
	if a.gone {
		return nil, true
	}
	if a.controller == nil || !w.KindOf().MadeBy(a.controller.GroupKind()) {
		return &w, true
	}
	top = o.held(*a.controller)
	if top != nil && a.again {
		a.again = false
		o.known.Add(w, a)
	}
	return top, top != nil
}

func (o *Owners) held(w workload.Ref) *workload.Ref {
	if row := o.workloads.held(w); row != nil {
		return &row.Ref
	}
	return nil
}

func (o *Owners) above(ctx context.Context, w workload.Ref) (above, error) {
	if known, ok := o.known.Get(w); ok {
		return known, nil
	}
	return o.readAbove(ctx, w, false)
}

func (o *Owners) readAbove(ctx context.Context, w workload.Ref, again bool) (above, error) {
	object, err := o.read(ctx, w)
	if err != nil {
		return above{}, err
	}
	a := above{gone: object == nil, again: again}
	if object != nil {
		if ref := metav1.GetControllerOfNoCopy(object); ref != nil {
			controller := workload.FromOwner(w.Namespace, *ref)
			a.controller = &controller
		}
	}
	o.known.Add(w, a)
	return a, nil
}

// Alive says that a workload is there and stays. An ExternalSecret whose only
// owner is gone is collected at once, and its Secret with it.
func (o *Owners) Alive(ctx context.Context, w workload.Ref) (bool, error) {
	object, err := o.read(ctx, w)
	if err != nil {
		return false, err
	}
	return object != nil && object.DeletionTimestamp == nil, nil
}

// read returns a workload's metadata; nil where it is not there, or another
// has taken its name.
func (o *Owners) read(ctx context.Context, w workload.Ref) (*metav1.PartialObjectMetadata, error) {
	if len(content.IsPathSegmentName(w.Name)) > 0 {
		return nil, nil // nothing has such a name, and no request can be made of it
	}
	object := w.Partial()
	err := o.reader.Get(ctx, types.NamespacedName{Namespace: w.Namespace, Name: w.Name}, object)
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot read owner %q: %w", w, err)
	case object.UID != w.UID:
		return nil, nil
	}
	return object, nil
}
