package clusterview

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/config"
)

// DefaultInstallation is where the chart puts envgraft, and what it calls it.
const (
	DefaultInstallationNamespace = "envgraft-system"
	DefaultInstallationName      = "envgraft"
	configurationFile            = "config.yaml"
)

// Settings are the configuration that the cluster's envgraft runs with.
type Settings struct {
	Configuration *config.Configuration
	// From says where it was read; empty where the defaults are assumed.
	From string
	// Assumed says why.
	Assumed string
	// Unusable says that there is no configuration, or none that is understood;
	// else the asker may not see it.
	Unusable bool
}

// Settings reads the configuration of the installation, which the chart lets
// every user of the cluster read. Where it cannot be read, the defaults are
// assumed, and whoever goes by them must say so.
func (r *Reader) Settings(ctx context.Context, namespace, name string) Settings {
	from := fmt.Sprintf("ConfigMap %s/%s", namespace, name)
	seen := r.ConfigMap(ctx, namespace, name)
	switch {
	case seen.State == NotFound:
		return assume(from+" does not exist", true)
	case seen.State != Found:
		return assume(seen.Cause, false)
	default:
		c, err := config.Parse([]byte(seen.Value.Data[configurationFile]))
		if err == nil {
			err = c.Validate(config.ModeLocal)
		}
		if err == nil {
			return Settings{Configuration: c, From: from}
		}
		return assume(fmt.Sprintf("%s is not a configuration that this version knows: %v", from, err), true)
	}
}

// assume returns the defaults.
func assume(why string, unusable bool) Settings {
	c := config.Default()
	if err := c.Validate(config.ModeLocal); err != nil {
		why += ": " + err.Error() // a default that is not valid is a bug, and a test's to find
	}
	return Settings{Configuration: c, Assumed: why, Unusable: unusable}
}

// Deployment is one that runs a part of the chain.
type Deployment struct {
	Metadata metav1.ObjectMeta       `json:"metadata"`
	Spec     appsv1.DeploymentSpec   `json:"spec"`
	Status   appsv1.DeploymentStatus `json:"status"`
}

// String names it as kubectl takes it.
func (d Deployment) String() string {
	return fmt.Sprintf("deployment/%s in namespace %s", d.Metadata.Name, d.Metadata.Namespace)
}

// Operators are the programs that the chain needs.
type Operators struct {
	Envgraft []Deployment
	ESO      []Deployment
	Reloader []Deployment
}

// operatorLabels find the programs by the labels of their charts and manifests,
// of which Reloader's have changed over time.
func operatorLabels() []string {
	return []string{
		"app.kubernetes.io/name in (envgraft,external-secrets,reloader)",
		"app in (reloader,reloader-reloader),app.kubernetes.io/name notin (reloader)",
	}
}

// Installation reads what all apps of a cluster share: webhooks, operators and stores.
type Installation struct{ *Reader }

// Operators looks for the programs in all namespaces, by two lists.
func (r Installation) Operators(ctx context.Context) Seen[Operators] {
	seen := Seen[Operators]{State: Found}
	for _, selector := range operatorLabels() {
		all := list[Deployment](ctx, r.Reader, deployments(), "", query{labels: selector, accept: whole})
		if all.State != Found {
			return Seen[Operators]{State: all.State, Cause: all.Cause}
		}
		for _, d := range all.Value {
			seen.Value.add(d)
		}
	}
	return seen
}

// add sorts a Deployment in. ESO's chart labels its webhook and its
// cert-controller by other names.
func (o *Operators) add(d Deployment) {
	switch d.Metadata.Labels["app.kubernetes.io/name"] {
	case "envgraft":
		o.Envgraft = append(o.Envgraft, d)
	case "external-secrets":
		o.ESO = append(o.ESO, d)
	default:
		o.Reloader = append(o.Reloader, d)
	}
}

// Webhooks is the configuration by which the API server calls envgraft.
type Webhooks struct {
	Webhooks []Webhook `json:"webhooks"`
}

// Webhook is one of them.
type Webhook struct {
	Name         string `json:"name"`
	ClientConfig struct {
		CABundle []byte `json:"caBundle"`
		URL      string `json:"url"`
		Service  *struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
			Path      string `json:"path"`
		} `json:"service"`
	} `json:"clientConfig"`
	FailurePolicy     string                `json:"failurePolicy"`
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector"`
	ObjectSelector    *metav1.LabelSelector `json:"objectSelector"`
}

// Webhooks reads the configuration of that name.
func (r Installation) Webhooks(ctx context.Context, name string) Seen[Webhooks] {
	return get[Webhooks](ctx, r.Reader, webhookConfigurations(), "", name, whole)
}
