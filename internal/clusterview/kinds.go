package clusterview

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/workload"
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

// ofPods is a kind that has pods, or Pod.
func ofPods(k workload.Kind) Kind {
	return Kind{Kind: k.Kind, Group: k.Group, Version: k.Version, Resource: k.Resource, aliases: k.Aliases}
}

func deployments() Kind {
	return ofPods(workload.KindOf(schema.GroupKind{Group: workload.GroupApps, Kind: workload.Deployment}))
}

func jobs() Kind {
	return ofPods(workload.KindOf(schema.GroupKind{Group: workload.GroupBatch, Kind: workload.Job}))
}

func pods() Kind { return ofPods(workload.KindOf(schema.GroupKind{Kind: workload.Pod})) }

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
func topKinds() []Kind { return kindsOf(workload.DeployedKinds()) }

// targetKinds are what a command line may name.
func targetKinds() []Kind { return kindsOf(workload.Kinds()) }

func kindsOf(all []workload.Kind) []Kind {
	kinds := make([]Kind, 0, len(all))
	for _, k := range all {
		kinds = append(kinds, ofPods(k))
	}
	return kinds
}

func (k Kind) groupKind() schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Kind} }

// IsPod says that the kind is Pod itself.
func (k Kind) IsPod() bool { return k.Kind == workload.Pod }

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

// ResourceName writes an object as -o name does.
func ResourceName(kind, name string) string {
	ref, err := ParseRef("", strings.ToLower(kind)+"/"+name)
	if err != nil {
		return strings.ToLower(kind) + "/" + name
	}
	return ref.String()
}
