// Package workload lists the kinds that have pods, refers to their objects, and says
// which kind owns which. It has no client.
package workload

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The names of the kinds.
const (
	Pod         = "Pod"
	ReplicaSet  = "ReplicaSet"
	Deployment  = "Deployment"
	StatefulSet = "StatefulSet"
	DaemonSet   = "DaemonSet"
	Job         = "Job"
	CronJob     = "CronJob"
	Rollout     = "Rollout"
)

// Their API groups.
const (
	GroupApps  = "apps"
	GroupBatch = "batch"
	GroupArgo  = "argoproj.io"
)

// Where kinds have their pod template.
const (
	templatePointer    = "/spec/template"
	jobTemplatePointer = "/spec/jobTemplate/spec/template"
)

// Kind is a kind of object that has pods, or Pod itself.
type Kind struct {
	Group, Version, Kind, Resource string
	// Aliases are the names that kubectl takes for the resource: the short one
	// first, the singular last.
	Aliases []string
	// Template is the JSON pointer of the pod template; empty for a Pod, which is
	// its own.
	Template string
	// Deployed says that people deploy objects of this kind. They own
	// ExternalSecrets, which a Job must not: one that went with each run would
	// have to be made for the next.
	Deployed bool
	// Restartable says that changing a field has all pods replaced, as `kubectl
	// rollout restart` does.
	Restartable bool
	// MakesPods says that pods name objects of this kind as their controller.
	MakesPods bool
	// Makers are the kinds whose objects make objects of this kind.
	Makers []schema.GroupKind
	// Optional says that not every cluster serves the kind.
	Optional bool
}

// Kinds are all kinds, those that people deploy first.
func Kinds() []Kind {
	return []Kind{
		{
			Group: GroupApps, Version: "v1", Kind: Deployment, Resource: "deployments", Aliases: []string{"deploy", "deployment"},
			Template: templatePointer, Deployed: true, Restartable: true,
		},
		{
			Group: GroupApps, Version: "v1", Kind: StatefulSet, Resource: "statefulsets", Aliases: []string{"sts", "statefulset"},
			Template: templatePointer, Deployed: true, Restartable: true, MakesPods: true,
		},
		{
			Group: GroupApps, Version: "v1", Kind: DaemonSet, Resource: "daemonsets", Aliases: []string{"ds", "daemonset"},
			Template: templatePointer, Deployed: true, Restartable: true, MakesPods: true,
		},
		{
			Group: GroupArgo, Version: "v1alpha1", Kind: Rollout, Resource: "rollouts", Aliases: []string{"ro", "rollout"},
			Template: templatePointer, Deployed: true, Restartable: true, Optional: true,
		},
		{
			Group: GroupBatch, Version: "v1", Kind: CronJob, Resource: "cronjobs", Aliases: []string{"cj", "cronjob"},
			Template: jobTemplatePointer, Deployed: true,
		},
		{
			Group: GroupBatch, Version: "v1", Kind: Job, Resource: "jobs", Aliases: []string{"job"},
			Template: templatePointer, MakesPods: true, Makers: []schema.GroupKind{{Group: GroupBatch, Kind: CronJob}},
		},
		{
			Group: GroupApps, Version: "v1", Kind: ReplicaSet, Resource: "replicasets", Aliases: []string{"rs", "replicaset"},
			Template: templatePointer, MakesPods: true,
			Makers: []schema.GroupKind{{Group: GroupApps, Kind: Deployment}, {Group: GroupArgo, Kind: Rollout}},
		},
		{Version: "v1", Kind: Pod, Resource: "pods", Aliases: []string{"po", "pod"}},
	}
}

// DeployedKinds are the kinds that people deploy.
func DeployedKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return !k.Deployed })
}

// RestartableKinds are the kinds that can be restarted.
func RestartableKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool { return !k.Restartable })
}

// KindOf returns the kind of that group and name, in whatever version. It is the
// zero Kind, of which nothing is true, for one that has no pods that envgraft
// knows: others have a Job or a Deployment, too.
func KindOf(gk schema.GroupKind) Kind {
	for _, k := range Kinds() {
		if k.GroupKind() == gk {
			return k
		}
	}
	return Kind{}
}

// GroupKind is the kind without its version.
func (k Kind) GroupKind() schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Kind} }

// GroupVersion is where the API server has the kind.
func (k Kind) GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: k.Group, Version: k.Version}
}

// GroupVersionKind is the kind in the version that envgraft reads.
func (k Kind) GroupVersionKind() schema.GroupVersionKind { return k.GroupVersion().WithKind(k.Kind) }

// IsZero says that this is no kind.
func (k Kind) IsZero() bool { return k.Kind == "" }

// InJobTemplate says that the pod template is one of the Jobs that are made.
func (k Kind) InJobTemplate() bool { return k.Template == jobTemplatePointer }

// MadeBy says that objects of a kind make objects of this one.
func (k Kind) MadeBy(maker schema.GroupKind) bool { return slices.Contains(k.Makers, maker) }
