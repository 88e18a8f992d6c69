package inventory

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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

// Pod is what is held of a pod.
type Pod struct {
	Namespace, Name string
	UID             types.UID
	Deleting        bool
	// Controller is what the pod's author says that it belongs to.
	Controller *workload.Ref
	// Revision is the same for pods of one template.
	Revision            string
	Labels, Annotations Pairs

	appName string
	created second
}

func (p *Pod) key() client.ObjectKey {
	return client.ObjectKey{Namespace: p.Namespace, Name: p.Name}
}

func (p *Pod) app() client.ObjectKey {
	return client.ObjectKey{Namespace: p.Namespace, Name: p.appName}
}

// Created is when the pod was created, to the second.
func (p *Pod) Created() time.Time { return p.created.time() }

// Identity is what the pod is admitted as.
func (p *Pod) Identity() identity.Pod {
	labels := p.Labels.Map()
	labels[api.LabelApp] = p.appName
	return identity.Pod{Labels: labels, Annotations: p.Annotations.Map()}
}

// Ref is the pod as a workload of its own.
func (p *Pod) Ref() workload.Ref {
	return workload.Ref{APIVersion: "v1", Kind: workload.Pod, Namespace: p.Namespace, Name: p.Name, UID: p.UID}
}

// Awaits says that the pod may have started before its Secret existed.
func (p *Pod) Awaits() bool {
	return p.Annotations.Get(api.AnnotationAwaitsSecret) == "true" && !p.Deleting
}

// OptsOut says that nobody wants the pod injected.
func (p *Pod) OptsOut() bool { return p.Labels.Get(api.LabelInject) == api.Disabled }

// Version is the parameter's version by whose keys the pod was grafted; 0 where
// they were not known.
func (p *Pod) Version() int64 {
	version, err := strconv.ParseInt(p.Annotations.Get(api.AnnotationParameterVersion), 10, 64)
	if err != nil || version < 0 {
		return 0
	}
	return version
}

func samePod(last, next *Pod) bool {
	sameController := last.Controller == next.Controller ||
		last.Controller != nil && next.Controller != nil && *last.Controller == *next.Controller
	return sameController && last.UID == next.UID && last.Deleting == next.Deleting && last.appName == next.appName &&
		last.Revision == next.Revision && slices.Equal(last.Labels, next.Labels) && slices.Equal(last.Annotations, next.Annotations)
}

// identifies says that a label or annotation has a say in a pod's identity or
// settings, or was written by envgraft.
func identifies(key string) bool {
	return key == api.LabelName || key == api.LabelPartOf || api.Known(key)
}

// PodOf reads what is held of a pod from its metadata; nil where it names no app.
func PodOf(object runtime.Object) *Pod {
	pod, ok := object.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil
	}
	app := appName(func(label string) string { return pod.Labels[label] })
	if app == "" {
		return nil
	}
	p := &Pod{
		Namespace: intern(pod.Namespace), Name: pod.Name, appName: intern(app), UID: pod.UID,
		created: secondOf(pod.CreationTimestamp), Deleting: pod.DeletionTimestamp != nil,
		Revision: intern(pod.Labels[labelPodTemplateHash] + pod.Labels[labelRolloutHash] + pod.Labels[labelControllerRevision]),
		Labels:   pairsOf(pod.Labels, func(key string) bool { return identifies(key) && key != api.LabelApp }),
		Annotations: pairsOf(pod.Annotations, func(key string) bool {
			return identifies(key) || key == annotationMirror
		}),
	}
	if ref := metav1.GetControllerOfNoCopy(pod); ref != nil {
		w := workload.FromOwner(p.Namespace, *ref)
		w.APIVersion, w.Kind = intern(w.APIVersion), intern(w.Kind)
		p.Controller = &w
	}
	return p
}

// size is about how many bytes are held.
func (p *Pod) size() int {
	n := podSize + len(p.Name) + len(p.UID) + p.Labels.size() + p.Annotations.size()
	if p.Controller != nil {
		n += refSize + len(p.Controller.Name) + len(p.Controller.UID)
	}
	return n
}

// What a row takes without its texts, its places in the table's maps included.
const (
	podSize = 500
	refSize = 80
)

// newestFirst sorts pods. Creation times are in seconds; the name keeps ties
// the same every time.
func newestFirst(pods []*Pod) []*Pod {
	return slices.SortedFunc(slices.Values(pods), func(a, b *Pod) int {
		return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(b.Name, a.Name))
	})
}
