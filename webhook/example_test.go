package webhook_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/webhook"
)

// cluster is one with a namespace that opted in, an app's ConfigMap, and a
// parameter of which the keys are known.
type cluster struct{ facts.Static }

func newCluster() cluster {
	return cluster{facts.Static{
		Namespaces: map[string]identity.Namespace{"shop": {Name: "shop", Labels: map[string]string{api.LabelInject: api.Enabled}}},
		ConfigMaps: map[types.NamespacedName][]string{{Namespace: "shop", Name: "web-config"}: {"LOG_LEVEL"}},
	}}
}

func (cluster) Parameter(context.Context, facts.Question) facts.Parameter {
	return facts.Parameter{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"DATABASE_URL"}}}
}

func (cluster) State(_ context.Context, namespace string, d graft.Decision) facts.State {
	return facts.State{Keys: facts.Ask{Question: facts.QuestionOf(namespace, d.Identity)}}
}

func (c cluster) Recorded(ctx context.Context, namespace string, d graft.Decision) facts.State {
	return c.State(ctx, namespace, d)
}

func engine() *graft.Engine {
	c := config.Default()
	c.Environment = "stage"
	return graft.New(c.Engine())
}

func review(group, kind, object string) admission.Request {
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		Operation: admissionv1.Create, Namespace: "shop",
		Kind:     metav1.GroupVersionKind{Group: group, Version: "v1", Kind: kind},
		Resource: metav1.GroupVersionResource{Group: group, Version: "v1", Resource: map[string]string{"Pod": "pods", "Deployment": "deployments"}[kind]},
		Object:   runtime.RawExtension{Raw: []byte(object)},
	}}
}

// A pod whose literal shadows a key of the parameter: the ConfigMap comes before
// the Secret, which wins, and the literal is bound to the key.
func ExamplePods() {
	c := newCluster()
	pods := &webhook.Pods{
		Engine: engine(), Namespaces: c, ConfigMaps: c, Parameters: c, ExternalSecrets: c,
		Metrics: metrics.New(prometheus.NewRegistry()), Log: logr.Discard(), FactsTimeout: time.Second,
	}
	response := pods.Handle(context.Background(), review("", "Pod", `{
		"metadata": {"generateName": "web-", "labels": {"app.kubernetes.io/name": "web"}},
		"spec": {"containers": [{"name": "app", "image": "web", "env": [{"name": "DATABASE_URL", "value": "localhost"}]}]}}`))
	fmt.Println("allowed:", response.Allowed)
	for _, operation := range response.Patches {
		if strings.HasPrefix(operation.Path, "/spec/") {
			fmt.Println(operation.Json())
		}
	}
	// Output:
	// allowed: true
	// {"op":"add","path":"/spec/containers/0/envFrom","value":[{"configMapRef":{"name":"web-config","optional":true}},{"secretRef":{"name":"web-secrets"}}]}
	// {"op":"remove","path":"/spec/containers/0/env/0/value"}
	// {"op":"add","path":"/spec/containers/0/env/0/valueFrom","value":{"secretKeyRef":{"key":"DATABASE_URL","name":"web-secrets"}}}
}

// A Deployment: Reloader is told which objects its pods depend on.
func ExampleWorkloads() {
	workloads := &webhook.Workloads{
		Engine: engine(), Namespaces: newCluster(), Metrics: metrics.New(prometheus.NewRegistry()), Log: logr.Discard(),
	}
	response := workloads.Handle(context.Background(), review("apps", "Deployment", `{
		"metadata": {"name": "web"},
		"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/name": "web"}}}}}`))
	for _, operation := range response.Patches {
		annotations, _ := operation.Value.(map[string]string)
		fmt.Println(operation.Operation, operation.Path, "for", annotations[api.ReloaderSecret], "and", annotations[api.ReloaderConfigMap])
	}
	// Output:
	// add /metadata/annotations for web-secrets and web-config
}
