package clusterview

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is a kind of object that is read, and where the API server has it.
type Kind struct {
	Kind     string
	Group    string
	Version  string
	Resource string
	// cluster is true for kinds without a namespace.
	cluster bool
	aliases []string
}

// The kinds that have pods, and pods.
func deployments() Kind {
	return Kind{Kind: "Deployment", Group: "apps", Version: "v1", Resource: "deployments", aliases: []string{"deploy", "deployment"}}
}

func statefulSets() Kind {
	return Kind{Kind: "StatefulSet", Group: "apps", Version: "v1", Resource: "statefulsets", aliases: []string{"sts", "statefulset"}}
}

func daemonSets() Kind {
	return Kind{Kind: "DaemonSet", Group: "apps", Version: "v1", Resource: "daemonsets", aliases: []string{"ds", "daemonset"}}
}

func rollouts() Kind {
	return Kind{Kind: "Rollout", Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts", aliases: []string{"ro", "rollout"}}
}

func cronJobs() Kind {
	return Kind{Kind: "CronJob", Group: "batch", Version: "v1", Resource: "cronjobs", aliases: []string{"cj", "cronjob"}}
}

func jobs() Kind {
	return Kind{Kind: "Job", Group: "batch", Version: "v1", Resource: "jobs", aliases: []string{"job"}}
}

func replicaSets() Kind {
	return Kind{Kind: "ReplicaSet", Group: "apps", Version: "v1", Resource: "replicasets", aliases: []string{"rs", "replicaset"}}
}

func pods() Kind {
	return Kind{Kind: "Pod", Version: "v1", Resource: "pods", aliases: []string{"po", "pod"}}
}

// The kinds that pods and envgraft depend on.
func namespaces() Kind {
	return Kind{Kind: "Namespace", Version: "v1", Resource: "namespaces", cluster: true}
}
func configMaps() Kind { return Kind{Kind: "ConfigMap", Version: "v1", Resource: "configmaps"} }
func secrets() Kind    { return Kind{Kind: "Secret", Version: "v1", Resource: "secrets"} }
func events() Kind     { return Kind{Kind: "Event", Version: "v1", Resource: "events"} }

func externalSecrets(version string) Kind {
	return Kind{Kind: "ExternalSecret", Group: esoGroup, Version: version, Resource: "externalsecrets"}
}

func webhookConfigurations() Kind {
	return Kind{
		Kind: "MutatingWebhookConfiguration", Group: "admissionregistration.k8s.io", Version: "v1",
		Resource: "mutatingwebhookconfigurations", cluster: true,
	}
}

// topKinds are the workloads that people deploy, as status lists them.
func topKinds() []Kind {
	return []Kind{deployments(), statefulSets(), daemonSets(), rollouts(), cronJobs()}
}

// targetKinds are what a command line may name.
func targetKinds() []Kind { return append(topKinds(), jobs(), replicaSets(), pods()) }

// IsPod says that the kind is Pod itself.
func (k Kind) IsPod() bool { return k.Kind == "Pod" }

// resourceName writes the resource as kubectl's -o name does.
func (k Kind) resourceName() string {
	if k.Group == "" {
		return k.aliases[len(k.aliases)-1]
	}
	return k.aliases[len(k.aliases)-1] + "." + k.Group
}

// path returns the URL's path of the kind, or of one object.
func (k Kind) path(namespace, name string) []string {
	path := []string{"/api", k.Version}
	if k.Group != "" {
		path = []string{"/apis", k.Group, k.Version}
	}
	if namespace != "" && !k.cluster {
		path = append(path, "namespaces", namespace)
	}
	path = append(path, k.Resource)
	if name != "" {
		path = append(path, name)
	}
	return path
}

// Ref names an object of a command line.
type Ref struct {
	Kind Kind
	// Namespace is the one that the command works in.
	Namespace string
	Name      string
}

// String writes a reference as "deployment.apps/shop", which kubectl takes.
func (r Ref) String() string { return r.Kind.resourceName() + "/" + r.Name }

// ParseRef reads "deploy/shop", "deployment.apps/shop", "pod/x" and so on.
func ParseRef(namespace, text string) (Ref, error) {
	kind, name, found := strings.Cut(text, "/")
	if !found || name == "" {
		return Ref{}, fmt.Errorf("%q names no workload: use KIND/NAME, as deploy/%s; kinds are %s", text, text, strings.Join(Aliases(), ", "))
	}
	k, ok := parseKind(kind)
	if !ok {
		return Ref{}, fmt.Errorf("%q is of kind %q, which has no pods: kinds are %s", text, kind, strings.Join(Aliases(), ", "))
	}
	return Ref{Kind: k, Namespace: namespace, Name: name}, nil
}

func parseKind(text string) (Kind, bool) {
	text = strings.ToLower(text)
	for _, k := range targetKinds() {
		short, group, _ := strings.Cut(text, ".")
		if (short == k.Resource || slices.Contains(k.aliases, short)) && (group == "" || group == k.Group || group == k.Version+"."+k.Group) {
			return k, true
		}
	}
	return Kind{}, false
}

// Aliases returns the short names of the kinds that a command line may name.
func Aliases() []string {
	kinds := targetKinds()
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.aliases[0]
	}
	return names
}
