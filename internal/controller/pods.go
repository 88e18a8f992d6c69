package controller

import (
	"cmp"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

// Labels and annotations that are not envgraft's and that are needed.
const (
	labelPodTemplateHash    = "pod-template-hash"
	labelControllerRevision = "controller-revision-hash"
	labelRolloutHash        = "rollouts-pod-template-hash"
	annotationMirror        = "kubernetes.io/config.mirror"
)

// podRow is what is held of a pod that the webhook labelled.
type podRow struct {
	namespace, name, appName string
	uid                      types.UID
	created                  second
	deleting                 bool
	// controller is whom the pod's author says that it belongs to.
	controller          *workload.Ref
	revision            string
	labels, annotations pairs
}

func (p *podRow) key() client.ObjectKey {
	return client.ObjectKey{Namespace: p.namespace, Name: p.name}
}

func (p *podRow) app() client.ObjectKey {
	return client.ObjectKey{Namespace: p.namespace, Name: p.appName}
}

func (p *podRow) identity() identity.Pod {
	labels := p.labels.toMap()
	labels[api.LabelApp] = p.appName
	return identity.Pod{Labels: labels, Annotations: p.annotations.toMap()}
}

// workload is the pod as a workload of its own.
func (p *podRow) ref() workload.Ref {
	return workload.Ref{APIVersion: "v1", Kind: workload.Pod, Namespace: p.namespace, Name: p.name, UID: p.uid}
}

// awaits says that the pod may have started before its Secret existed.
func (p *podRow) awaits() bool {
	return p.annotations.get(api.AnnotationAwaitsSecret) == "true" && !p.deleting
}

// optsOut says that nobody wants the pod injected.
func (p *podRow) optsOut() bool { return p.labels.get(api.LabelInject) == api.Disabled }

// version is the parameter's version by whose keys the pod was grafted; 0 where
// they were not known.
func (p *podRow) version() int64 {
	version, err := strconv.ParseInt(p.annotations.get(api.AnnotationParameterVersion), 10, 64)
	if err != nil || version < 0 {
		return 0
	}
	return version
}

func samePod(last, next *podRow) bool {
	sameController := last.controller == next.controller ||
		last.controller != nil && next.controller != nil && *last.controller == *next.controller
	return sameController && last.uid == next.uid && last.deleting == next.deleting && last.appName == next.appName &&
		last.revision == next.revision && slices.Equal(last.labels, next.labels) && slices.Equal(last.annotations, next.annotations)
}

// podRowOf takes from a pod's metadata what the controller reads.
func podRowOf(object runtime.Object) *podRow {
	pod, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil
	}
	app := appName(func(label string) string { return pod.Labels[label] })
	if app == "" {
		return nil
	}
	p := &podRow{
		namespace: intern(pod.Namespace), name: pod.Name, appName: intern(app), uid: pod.UID,
		created: secondOf(pod.CreationTimestamp), deleting: pod.DeletionTimestamp != nil,
		revision: intern(pod.Labels[labelPodTemplateHash] + pod.Labels[labelRolloutHash] + pod.Labels[labelControllerRevision]),
		labels:   pairsOf(pod.Labels, func(key string) bool { return identifies(key) && key != api.LabelApp }),
		annotations: pairsOf(pod.Annotations, func(key string) bool {
			return identifies(key) || key == annotationMirror
		}),
	}
	if ref := metav1.GetControllerOfNoCopy(pod); ref != nil {
		w := workload.FromOwner(p.namespace, *ref)
		w.APIVersion, w.Kind = intern(w.APIVersion), intern(w.Kind)
		p.controller = &w
	}
	return p
}

func newPods(changed func(client.ObjectKey)) *table[*podRow] {
	return newTable(podRowOf, samePod, changed)
}

// newestFirst sorts pods. Creation times are in seconds; the name keeps ties
// the same every time.
func newestFirst(pods []*podRow) []*podRow {
	return slices.SortedFunc(slices.Values(pods), func(a, b *podRow) int {
		return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(b.name, a.name))
	})
}

// podMetadata lists and watches the pods that the webhook labelled, and no
// other pod of the cluster.
func (c connection) podMetadata() (*toolscache.ListWatch, error) {
	return c.metadataWatch(corev1.SchemeGroupVersion.WithResource("pods"), api.LabelApp)
}
