package controller

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// The kinds that the controller treats in their own ways.
const (
	kindPod         = "Pod"
	kindReplicaSet  = "ReplicaSet"
	kindDeployment  = "Deployment"
	kindStatefulSet = "StatefulSet"
	kindDaemonSet   = "DaemonSet"
	kindJob         = "Job"
	kindCronJob     = "CronJob"
	kindRollout     = "Rollout"

	groupApps  = "apps"
	groupBatch = "batch"
	groupArgo  = "argoproj.io"
)

// workload is the object at the top of a pod's owners, which a person deployed:
// Events are about it.
type workload struct {
	APIVersion string
	Kind       string
	Namespace  string
	Name       string
	UID        types.UID
}

// String names a workload as kubectl does.
func (w workload) String() string { return w.Kind + "/" + w.Name }

func (w workload) groupKind() schema.GroupKind {
	return schema.FromAPIVersionAndKind(w.APIVersion, w.Kind).GroupKind()
}

func (w workload) reference() *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: w.APIVersion, Kind: w.Kind, Namespace: w.Namespace, Name: w.Name, UID: w.UID}
}

// partial is an empty object of the workload's kind, for metadata reads.
func (w workload) partial() *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: w.APIVersion, Kind: w.Kind}}
}

func compareWorkloads(a, b workload) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
}

func fromReference(namespace string, ref metav1.OwnerReference) workload {
	return workload{APIVersion: ref.APIVersion, Kind: ref.Kind, Namespace: namespace, Name: ref.Name, UID: ref.UID}
}

// owns says that the ExternalSecret goes with the last workload of this kind.
// A Job without CronJob, a pod of its own and what an operator brought along
// come and go, and would take the Secret with them each time.
func (w workload) owns() bool {
	return slices.ContainsFunc(workloadKinds(), func(k workloadKind) bool { return k.group == w.groupKind().Group && k.kind == w.Kind })
}
