package clusterview

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/workload"
)

// Workload is an object that has pods, or a pod.
type Workload struct {
	Ref

	UID         types.UID
	Labels      map[string]string
	Annotations map[string]string
	Created     time.Time
	// Template is the pod template in JSON, or the pod itself. It is nil for a
	// workload that has none.
	Template json.RawMessage
	// Selector selects its pods; nil for kinds that find their pods in another way.
	Selector *metav1.LabelSelector
	// Suspended is true for a CronJob that is.
	Suspended bool
	// Ended is true for a Job that has completed or failed.
	Ended bool
	// wanted is how many pods its spec asks for; nil for kinds that do not say.
	wanted *int32
	// templateFrom is the object that a Rollout takes its template from.
	templateFrom *templateRef
	// failure is why its controller could not create pods, by its status.
	failure string
	// Owner is the workload above; empty at the top.
	Owner metav1.OwnerReference
}

// TemplateMeta is what identity needs of the template.
func (w Workload) TemplateMeta() identity.Pod {
	var template struct {
		Metadata struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if json.Unmarshal(w.Template, &template) != nil {
		return identity.Pod{} // the engine says what is wrong with it
	}
	return identity.Pod{Labels: template.Metadata.Labels, Annotations: template.Metadata.Annotations}
}

// object is the part of any workload that is read.
type object struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		Selector    *metav1.LabelSelector `json:"selector"`
		Template    json.RawMessage       `json:"template"`
		Suspend     bool                  `json:"suspend"`
		JobTemplate struct {
			Spec struct {
				Template json.RawMessage `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
		WorkloadRef *templateRef `json:"workloadRef"`
		Replicas    *int32       `json:"replicas"`
		Parallelism *int32       `json:"parallelism"`
	} `json:"spec"`
	Status struct {
		Conditions []struct {
			Type    string `json:"type"`
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"conditions"`
		DesiredNumberScheduled *int32 `json:"desiredNumberScheduled"`
	} `json:"status"`
}

// templateRef is where a Rollout may have its template.
type templateRef struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

func (o object) workload(k Kind) Workload {
	w := Workload{
		Ref:    Ref{Kind: k, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name},
		UID:    o.Metadata.UID,
		Labels: o.Metadata.Labels, Annotations: o.Metadata.Annotations, Created: o.Metadata.CreationTimestamp.Time,
		Template: o.Spec.Template, Selector: o.Spec.Selector, Suspended: o.Spec.Suspend, templateFrom: o.Spec.WorkloadRef,
	}
	w.wanted = cmp.Or(o.Spec.Replicas, o.Spec.Parallelism, o.Status.DesiredNumberScheduled)
	for _, c := range o.Status.Conditions {
		if c.Status != "True" {
			continue
		}
		switch c.Type {
		case "ReplicaFailure":
			w.failure = c.Message
		case "Complete", "Failed":
			w.Ended = true
		}
	}
	if len(o.Spec.JobTemplate.Spec.Template) > 0 {
		w.Template, w.Selector = o.Spec.JobTemplate.Spec.Template, nil
	}
	if owner := metav1.GetControllerOf(&o.Metadata); owner != nil {
		w.Owner = *owner
	}
	return w
}

// Workload reads one object with pods. A Rollout that takes its template from
// a Deployment gets that.
func (r *Reader) Workload(ctx context.Context, ref Ref) Seen[Workload] {
	if ref.Kind.IsPod() {
		return podWorkload(ctx, r, ref)
	}
	o := get[object](ctx, r, ref.Kind, ref.Namespace, ref.Name, whole)
	seen := Seen[Workload]{State: o.State, Cause: o.Cause}
	if o.State != Found {
		return seen
	}
	seen.Value = o.Value.workload(ref.Kind)
	fetchTemplate(ctx, r, &seen.Value)
	return seen
}

// fetchTemplate reads the template of a Rollout that has none of its own.
func fetchTemplate(ctx context.Context, r *Reader, w *Workload) {
	if w.templateFrom == nil || len(w.Template) > 0 {
		return
	}
	if k, ok := parseKind(w.templateFrom.Kind); ok && !k.IsPod() {
		w.Template = get[object](ctx, r, k, w.Namespace, w.templateFrom.Name, whole).Value.Spec.Template
	}
}

// Wanted is how many pods the workload asks for; 1 where it does not say.
func (w Workload) Wanted() int {
	switch {
	case w.Suspended, w.Ended, w.Kind.Kind == workload.CronJob:
		return 0
	case w.wanted != nil:
		return int(*w.wanted)
	case w.Kind.Kind == workload.DaemonSet:
		return 0 // no node is known to want one
	}
	return 1
}

// Containers are those of the template; none where it cannot be read.
func (w Workload) Containers() []corev1.Container {
	var template struct {
		Spec struct {
			Containers []corev1.Container `json:"containers"`
		} `json:"spec"`
	}
	if json.Unmarshal(w.Template, &template) != nil {
		return nil // the engine says what is wrong with it
	}
	return template.Spec.Containers
}

// Object reads a workload as it is, for what is made of its manifest.
func (r *Reader) Object(ctx context.Context, ref Ref) Seen[map[string]any] {
	return get[map[string]any](ctx, r, ref.Kind, ref.Namespace, ref.Name, whole)
}

func podWorkload(ctx context.Context, r *Reader, ref Ref) Seen[Workload] {
	raw := get[json.RawMessage](ctx, r, ref.Kind, ref.Namespace, ref.Name, whole)
	seen := Seen[Workload]{State: raw.State, Cause: raw.Cause}
	if raw.State != Found {
		return seen
	}
	var o object
	if err := json.Unmarshal(raw.Value, &o); err != nil {
		return Seen[Workload]{State: Failed, Cause: "cannot decode the pod"}
	}
	seen.Value = o.workload(ref.Kind)
	seen.Value.Template = raw.Value
	return seen
}

// Workloads lists the workloads that people deploy, of one namespace or of
// all, by one list a kind. A kind that the cluster does not serve has none.
func (r *Reader) Workloads(ctx context.Context, namespace, selector string) (found []Workload, failed []Seen[Workload]) {
	for _, k := range append(topKinds(), jobs()) {
		objects := list[object](ctx, r, k, namespace, query{labels: selector, accept: whole})
		if objects.State != Found && objects.State != NotFound {
			failed = append(failed, Seen[Workload]{State: objects.State, Cause: objects.Cause})
		}
		for _, o := range objects.Value {
			w := o.workload(k)
			if w.Ended || madeByKnown(k, metav1.GetControllerOfNoCopy(&o.Metadata)) {
				continue
			}
			found = append(found, w)
		}
	}
	for i := range found {
		borrowTemplate(ctx, r, found, i)
	}
	slices.SortFunc(found, func(a, b Workload) int {
		return strings.Compare(a.Namespace+"/"+a.Name+"/"+a.Kind.Kind, b.Namespace+"/"+b.Name+"/"+b.Kind.Kind)
	})
	return found, failed
}

// borrowTemplate gives a Rollout the template of a Deployment in the same list,
// else reads it.
func borrowTemplate(ctx context.Context, r *Reader, listed []Workload, i int) {
	w := &listed[i]
	if w.templateFrom == nil || len(w.Template) > 0 {
		return
	}
	for _, other := range listed {
		if other.Kind.Kind == w.templateFrom.Kind && other.Namespace == w.Namespace && other.Name == w.templateFrom.Name {
			w.Template = other.Template
			return
		}
	}
	fetchTemplate(ctx, r, w)
}

// Namespace reads what identity needs of one.
func (r *Reader) Namespace(ctx context.Context, name string) Seen[identity.Namespace] {
	o := get[object](ctx, r, namespaces(), name, name, metadataOf)
	return Seen[identity.Namespace]{State: o.State, Cause: o.Cause, Value: identity.Namespace{
		Name: name, Labels: o.Value.Metadata.Labels, Annotations: o.Value.Metadata.Annotations,
	}}
}

// Namespaces reads all of them, by name.
func (r *Reader) Namespaces(ctx context.Context) Seen[map[string]identity.Namespace] {
	objects := list[object](ctx, r, namespaces(), "", query{accept: metadataList})
	seen := Seen[map[string]identity.Namespace]{State: objects.State, Cause: objects.Cause, Value: map[string]identity.Namespace{}}
	for _, o := range objects.Value {
		seen.Value[o.Metadata.Name] = identity.Namespace{Name: o.Metadata.Name, Labels: o.Metadata.Labels, Annotations: o.Metadata.Annotations}
	}
	return seen
}

// Names lists the names of a kind's objects, for completion. The kind is as a
// command line writes it; an empty one stands for namespaces.
func Names(ctx context.Context, r *Reader, kind, namespace string) []string {
	k, ok := namespaces(), true
	if kind != "" {
		k, ok = parseKind(kind)
	}
	if !ok {
		return nil
	}
	var names []string
	for _, o := range list[object](ctx, r, k, namespace, query{accept: metadataList}).Value {
		names = append(names, o.Metadata.Name)
	}
	return names
}
