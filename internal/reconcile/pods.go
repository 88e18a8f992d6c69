package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// indexApp finds an app's pods, so that no event has to look at all pods.
const indexApp = "app"

// Labels and annotations that are not envgraft's and that are needed.
const (
	labelPodTemplateHash    = "pod-template-hash"
	labelControllerRevision = "controller-revision-hash"
	annotationMirror        = "kubernetes.io/config.mirror"
)

func partialPod() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kindPod}}
}

// newPodCache holds the metadata of the pods that the webhook labelled, and of
// no other pod of the cluster.
func newPodCache(config *rest.Config, options cache.Options) (cache.Cache, error) {
	labelled, err := labels.NewRequirement(api.LabelApp, selection.Exists, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot select pods: %w", err)
	}
	options.ByObject = map[client.Object]cache.ByObject{
		partialPod(): {Label: labels.NewSelector().Add(*labelled), Transform: compactPod},
	}
	pods, err := cache.New(config, options)
	if err != nil {
		return nil, fmt.Errorf("cannot make the cache of pods: %w", err)
	}
	return pods, nil
}

// compactPod keeps of a pod's metadata what the controller reads: the rest is
// most of it, and there are tens of thousands of pods.
func compactPod(obj any) (any, error) {
	pod, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return obj, nil
	}
	pod.ManagedFields = nil
	pod.GenerateName = ""
	pod.Finalizers = nil
	pod.Labels = pick(pod.Labels, isOurLabel)
	pod.Annotations = pick(pod.Annotations, func(key string) bool {
		return strings.HasPrefix(key, api.Group+"/") || key == annotationMirror
	})
	return pod, nil
}

func isOurLabel(key string) bool {
	switch key {
	case api.LabelName, api.LabelPartOf, labelPodTemplateHash, labelControllerRevision:
		return true
	}
	return strings.HasPrefix(key, api.Group+"/")
}

// appOf is the key that a pod is reconciled by.
func appOf(pod client.Object) reconcile.Request {
	return reconcile.Request{NamespacedName: client.ObjectKey{Namespace: pod.GetNamespace(), Name: pod.GetLabels()[api.LabelApp]}}
}

// podSource is a source of the controller that starts the pod cache itself:
// replicas that do not lead have no use for it, and would pay its memory.
type podSource struct {
	source.SyncingSource
	cache cache.Cache
}

func newPodSource(pods cache.Cache) *podSource {
	enqueue := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, pod *metav1.PartialObjectMetadata) []reconcile.Request {
		return []reconcile.Request{appOf(pod)}
	})
	return &podSource{SyncingSource: source.Kind(pods, partialPod(), enqueue), cache: pods}
}

// Start implements source.Source.
func (p *podSource) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	err := p.cache.IndexField(ctx, partialPod(), indexApp, func(pod client.Object) []string {
		return []string{pod.GetLabels()[api.LabelApp]}
	})
	if err != nil {
		return fmt.Errorf("cannot index pods by app: %w", err)
	}
	go p.cache.Start(ctx) //nolint:errcheck // it returns an error only if started twice
	return p.SyncingSource.Start(ctx, queue)
}

// podsOf lists the pods of an app, the newest first.
func podsOf(ctx context.Context, pods client.Reader, app client.ObjectKey) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := pods.List(ctx, list, client.InNamespace(app.Namespace), client.MatchingFields{indexApp: app.Name}); err != nil {
		return nil, fmt.Errorf("cannot list pods of app %q: %w", app.Name, err)
	}
	// Creation times are in seconds; the name keeps ties the same every time.
	slices.SortFunc(list.Items, func(a, b metav1.PartialObjectMetadata) int {
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(b.Name, a.Name))
	})
	return list.Items, nil
}

// appsOf lists the apps that have pods, of one namespace or with "" of all.
func appsOf(ctx context.Context, pods client.Reader, namespace string) ([]reconcile.Request, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := pods.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("cannot list pods: %w", err)
	}
	seen := make(map[reconcile.Request]bool)
	var apps []reconcile.Request
	for i := range list.Items {
		if app := appOf(&list.Items[i]); !seen[app] {
			seen[app] = true
			apps = append(apps, app)
		}
	}
	return apps, nil
}

func podIdentity(pod *metav1.PartialObjectMetadata) identity.Pod {
	return identity.Pod{Labels: pod.Labels, Annotations: pod.Annotations}
}

// revision tells pods of one template from those of the one before it.
func revision(pod *metav1.PartialObjectMetadata) string {
	return pod.Labels[labelPodTemplateHash] + pod.Labels[labelControllerRevision]
}

// pick returns the entries whose key is wanted; nil where none is.
func pick(from map[string]string, wanted func(string) bool) map[string]string {
	var picked map[string]string
	for key, value := range from {
		if !wanted(key) {
			continue
		}
		if picked == nil {
			picked = make(map[string]string, 4)
		}
		picked[key] = value
	}
	return picked
}
