package reconcile

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The bounds of what owners remembers. An entry is about 300 bytes.
const (
	ownersRemembered = 65536
	ownersTTL        = 12 * time.Hour
	maxOwnerDepth    = 4
)

// owners walks from pods to the workloads that people deployed. Who owns a
// ReplicaSet all but never changes, so one read of each is enough; an informer
// would hold every old revision of every Deployment of the cluster.
type owners struct {
	reader client.Reader // not cached, metadata only
	known  *utilcache.LRUExpireCache
	// created remembers the age of workloads by UID.
	created *utilcache.LRUExpireCache
}

// parent is what is remembered of a ReplicaSet or Job: the workload that
// controls it, or nobody.
type parent struct {
	workload *workload
	read     time.Time
}

func newOwners(reader client.Reader) *owners {
	return &owners{
		reader:  reader,
		known:   utilcache.NewLRUExpireCache(ownersRemembered),
		created: utilcache.NewLRUExpireCache(ownersRemembered),
	}
}

// top returns the workload at the top of a pod's owners, and when the oldest
// of the reads on the way was made. A pod of its own is its own workload. nil
// is for a pod whose controller is gone: it will be collected, too.
func (o *owners) top(ctx context.Context, pod *metav1.PartialObjectMetadata) (*workload, time.Time, error) {
	read := time.Now()
	controller := metav1.GetControllerOfNoCopy(pod)
	if controller == nil {
		return &workload{APIVersion: "v1", Kind: kindPod, Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}, read, nil
	}
	at := fromReference(pod.Namespace, *controller)
	for range maxOwnerDepth {
		if !isIntermediate(at.groupKind()) {
			break
		}
		p, err := o.parent(ctx, at)
		if err != nil || p == nil {
			return nil, read, err
		}
		if p.read.Before(read) {
			read = p.read
		}
		if p.workload == nil {
			break
		}
		at = *p.workload
	}
	return &at, read, nil
}

// parent returns who controls a ReplicaSet or Job; nil where that is gone.
func (o *owners) parent(ctx context.Context, w workload) (*parent, error) {
	if known, ok := o.known.Get(w.UID); ok {
		return known.(*parent), nil //nolint:forcetypeassert // nothing else is put there
	}
	p := &parent{read: time.Now()}
	object, err := o.read(ctx, w)
	if err != nil || object == nil {
		return nil, err
	}
	if controller := metav1.GetControllerOfNoCopy(object); controller != nil {
		above := fromReference(w.Namespace, *controller)
		p.workload = &above
	}
	o.known.Add(w.UID, p, ownersTTL)
	return p, nil
}

// forget has the owners of these pods read anew.
func (o *owners) forget(pods []metav1.PartialObjectMetadata) {
	for i := range pods {
		if controller := metav1.GetControllerOfNoCopy(&pods[i]); controller != nil {
			o.known.Remove(controller.UID)
		}
	}
}

// alive says that a workload is there and stays. An ExternalSecret whose only
// owner is gone is collected at once, and its Secret with it: that must not
// happen to pods that a Deployment, deleted with --cascade=orphan, left behind.
func (o *owners) alive(ctx context.Context, w workload) (bool, error) {
	object, err := o.read(ctx, w)
	if apierrors.IsForbidden(err) {
		return true, nil // a kind that some operator brought along; the pods say that it was there
	}
	if err != nil {
		return false, err
	}
	return object != nil && object.DeletionTimestamp == nil, nil
}

// createdAt returns a workload's age. One that cannot be read counts as the
// youngest, so that it takes nothing away from another.
func (o *owners) createdAt(ctx context.Context, w workload) (time.Time, error) {
	if known, ok := o.created.Get(w.UID); ok {
		return known.(time.Time), nil //nolint:forcetypeassert // nothing else is put there
	}
	object, err := o.read(ctx, w)
	if apierrors.IsForbidden(err) || err == nil && object == nil {
		return time.Unix(1<<40, 0), nil
	}
	if err != nil {
		return time.Time{}, err
	}
	o.created.Add(w.UID, object.CreationTimestamp.Time, ownersTTL)
	return object.CreationTimestamp.Time, nil
}

// read returns a workload's metadata; nil where it is not there, or another
// has taken its name.
func (o *owners) read(ctx context.Context, w workload) (*metav1.PartialObjectMetadata, error) {
	object := w.partial()
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
