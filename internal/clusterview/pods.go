package clusterview

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/workload"
)

// Labels that Kubernetes and Argo Rollouts put on pods, see
// https://kubernetes.io/docs/reference/labels-annotations-taints/.
const (
	labelTemplateHash = "pod-template-hash"
	labelRolloutHash  = "rollouts-pod-template-hash"
	labelJobName      = "batch.kubernetes.io/job-name"
)

// Pod is a pod as it runs, or its metadata alone.
type Pod struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     corev1.PodSpec    `json:"spec"`
	Status   corev1.PodStatus  `json:"status"`
	// Partial says that the pod was listed by its metadata alone.
	Partial bool `json:"-"`
}

// Injected says that the webhook injected the pod when it was created.
func (p Pod) Injected() bool {
	_, ok := p.Metadata.Annotations[api.AnnotationInjected]
	return ok
}

// Version is the parameter's version by whose keys the pod was grafted; 0 where
// that is not known.
func (p Pod) Version() int64 {
	v, err := strconv.ParseInt(p.Metadata.Annotations[api.AnnotationParameterVersion], 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// Ended says that the pod does not run any more, and reads nothing again.
func (p Pod) Ended() bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// Started is when the last of its containers that matter was started: each
// reads its environment then. It is zero where one has not started.
func (p Pod) oldestStart() time.Time {
	var oldest time.Time
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil {
			return time.Time{}
		}
		if at := c.State.Running.StartedAt.Time; oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest
}

// top names the workload at the top of a pod, by names alone: a Deployment
// calls its ReplicaSets by its own name and the hash that it also labels their
// pods with. It is the pod itself where nobody owns it.
func (p Pod) top() (kind, name string) {
	owner := metav1.GetControllerOfNoCopy(&p.Metadata)
	if owner == nil {
		return pods().Kind, p.Metadata.Name
	}
	if owner.Kind != workload.ReplicaSet {
		return owner.Kind, owner.Name
	}
	for label, above := range map[string]string{labelRolloutHash: workload.Rollout, labelTemplateHash: workload.Deployment} {
		hash, ok := p.Metadata.Labels[label]
		if name, cut := strings.CutSuffix(owner.Name, "-"+hash); ok && cut {
			return above, name
		}
	}
	return owner.Kind, owner.Name
}

// Of says that the pod is the workload's. jobs are the names of a CronJob's Jobs.
func (p Pod) of(w Workload, jobs map[string]bool) bool {
	kind, name := p.top()
	if w.Kind.Kind == workload.CronJob {
		return kind == workload.Job && jobs[name]
	}
	if w.Kind.Kind == workload.ReplicaSet {
		owner := metav1.GetControllerOfNoCopy(&p.Metadata)
		return owner != nil && owner.UID == w.UID
	}
	return kind == w.Kind.Kind && name == w.Name
}

// Pods lists a workload's pods, with their spec and status; a pod's are itself.
func (r *Reader) Pods(ctx context.Context, w Workload) Seen[[]Pod] {
	if w.Kind.IsPod() {
		pod := get[Pod](ctx, r, w.Kind, w.Namespace, w.Name, whole)
		return Seen[[]Pod]{State: pod.State, Cause: pod.Cause, Value: []Pod{pod.Value}}
	}
	selector, jobs := labelJobName, map[string]bool(nil)
	switch w.Kind.Kind {
	case workload.CronJob:
		seen := jobsOf(ctx, r, w)
		if seen.State != Found {
			return Seen[[]Pod]{State: seen.State, Cause: seen.Cause}
		}
		jobs = seen.Value
	case workload.Job:
		selector = labelJobName + "=" + w.Name
	default:
		s, err := metav1.LabelSelectorAsSelector(w.Selector)
		if err != nil || s.Empty() || s.String() == labels.Nothing().String() {
			return Seen[[]Pod]{State: Found}
		}
		selector = s.String()
	}
	seen := list[Pod](ctx, r, pods(), w.Namespace, query{labels: selector, accept: whole})
	seen.Value = slices.DeleteFunc(seen.Value, func(p Pod) bool {
		return p.Metadata.DeletionTimestamp != nil || !p.of(w, jobs)
	})
	slices.SortFunc(seen.Value, func(a, b Pod) int { return strings.Compare(a.Metadata.Name, b.Metadata.Name) })
	return seen
}

// jobsOf names the Jobs of a CronJob.
func jobsOf(ctx context.Context, r *Reader, w Workload) Seen[map[string]bool] {
	all := list[object](ctx, r, jobs(), w.Namespace, query{accept: metadataList})
	seen := Seen[map[string]bool]{State: all.State, Cause: all.Cause, Value: map[string]bool{}}
	for _, o := range all.Value {
		if owner := metav1.GetControllerOfNoCopy(&o.Metadata); owner != nil && owner.UID == w.UID {
			seen.Value[o.Metadata.Name] = true
		}
	}
	return seen
}

// StandalonePods lists the pods that a selector picks and nobody owns.
func (r *Reader) StandalonePods(ctx context.Context, namespace, selector string) Seen[[]Pod] {
	seen := list[Pod](ctx, r, pods(), namespace, query{labels: selector, accept: metadataList})
	seen.Value = slices.DeleteFunc(seen.Value, func(p Pod) bool {
		return metav1.GetControllerOfNoCopy(&p.Metadata) != nil || p.Metadata.DeletionTimestamp != nil
	})
	return seen
}
