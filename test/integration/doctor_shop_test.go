package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
)

// shop is an app whose chain is whole: the webhook is the real one, and the
// test plays ESO, Reloader and the workloads' controllers with objects.
type shop struct {
	*bench

	t  *testing.T
	ns string
	// right are the webhooks as they were before the test changed them.
	right *admissionregistrationv1.MutatingWebhookConfiguration
}

// crdText is a kind of which the API server knows no fields.
func crdText(group, version, kind, plural, scope string) string {
	return fmt.Sprintf(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[4]s.%[1]s}
spec:
  group: %[1]s
  names: {kind: %[3]s, listKind: %[3]sList, plural: %[4]s, singular: %[5]s}
  scope: %[6]s
  versions:
  - {name: %[2]s, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`, group, version, kind, plural, strings.ToLower(kind), scope)
}

// newShop makes an app in a namespace of its own, healthy from end to end.
func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{bench: start(t), t: t}
	for _, crd := range []string{
		crdText("external-secrets.io", "v1", "ExternalSecret", "externalsecrets", "Namespaced"),
		crdText("external-secrets.io", "v1", "ClusterSecretStore", "clustersecretstores", "Cluster"),
	} {
		s.apply(crd)
	}
	s.untilServed("ExternalSecretList", "ClusterSecretStoreList")
	for _, program := range []string{"envgraft", "external-secrets", "reloader"} {
		s.operator(program, program, 1)
	}
	s.configuration("environment: stage")
	s.ns = s.namespace(t, map[string]string{api.LabelInject: api.Enabled})
	s.ssm.Put("/"+s.ns+"/shop/stage/app", `{"API_KEY":"hunter2"}`)
	s.store("")
	s.externalSecret(3, true)
	s.secret("API_KEY")
	s.deployment("")
	s.pod("shop-1", "shop-1")
	return s
}

// configuration makes the ConfigMap of envgraft's own.
func (s *shop) configuration(field string) {
	s.t.Helper()
	s.apply(`{apiVersion: v1, kind: ConfigMap, metadata: {name: envgraft, namespace: envgraft}, data: {config.yaml: "` +
		`apiVersion: config.envgraft.dev/v1alpha1\nkind: Configuration\n` + field + `\n"}}`)
}

// untilServed waits for the API server to serve new kinds.
func (s *shop) untilServed(kinds ...string) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for _, kind := range kinds {
		for {
			list := &unstructured.UnstructuredList{}
			list.SetAPIVersion("external-secrets.io/v1")
			list.SetKind(kind)
			err := s.client.List(s.t.Context(), list)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				s.t.Fatalf("the API server serves no %s: %v", kind, err)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
}

// operator makes a Deployment in a namespace of its name, with so many ready pods.
func (s *shop) operator(namespace, program string, ready int) {
	s.t.Helper()
	s.apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + namespace + "}}")
	s.apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[2]s, namespace: %[1]s, labels: {app.kubernetes.io/name: %[2]s}, annotations: {meta.helm.sh/release-name: %[2]s}}
spec:
  selector: {matchLabels: {a: b}}
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: %[2]s, image: x}]}}
`, namespace, program))
	d := &appsv1.Deployment{}
	s.get(d, namespace, program)
	d.Status.Replicas, d.Status.ReadyReplicas = 1, int32(ready) //nolint:gosec // 0 or 1
	if err := s.client.Status().Update(s.t.Context(), d); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) get(o client.Object, namespace, name string) {
	s.t.Helper()
	if err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o); err != nil {
		s.t.Fatal(err)
	}
}

// apply makes or replaces what a manifest says.
func (s *shop) apply(text string) {
	s.t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		s.t.Fatal(err)
	}
	//nolint:staticcheck // its successor wants generated types
	err := s.client.Patch(s.t.Context(), object, client.Apply, client.ForceOwnership, client.FieldOwner("test"))
	if err != nil {
		s.t.Fatalf("%v\n%s", err, text)
	}
}

func (s *shop) remove(apiVersion, kind, name string) {
	s.t.Helper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(apiVersion)
	object.SetKind(kind)
	object.SetName(name)
	if kind != "ClusterSecretStore" {
		object.SetNamespace(s.ns)
	}
	if err := s.client.Delete(s.t.Context(), object); client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
}

// store makes the ClusterSecretStore, with conditions of its own.
func (s *shop) store(conditions string) { s.storeReady(conditions, "True") }

func (s *shop) storeReady(conditions, ready string) {
	s.t.Helper()
	s.remove("external-secrets.io/v1", "ClusterSecretStore", "aws-ssm")
	s.apply(`
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws-ssm}
spec: {` + conditions + ` provider: {aws: {service: ParameterStore, region: eu-central-1}}}
status: {conditions: [{type: Ready, status: "` + ready + `", reason: Valid, message: ok, lastTransitionTime: "2026-01-01T00:00:00Z"}]}
`)
}

// externalSecret makes the app's, as envgraft and ESO leave it.
func (s *shop) externalSecret(version int, synced bool) {
	s.t.Helper()
	status := `{type: Ready, status: "True", reason: SecretSynced, message: secret synced, lastTransitionTime: "2026-01-01T00:00:00Z"}`
	if !synced {
		status = `{type: Ready, status: "False", reason: SecretSyncedError, message: could not get secret data from provider, lastTransitionTime: "2026-01-01T00:00:00Z"}`
	}
	s.externalSecretWith(version, status, "")
}

// externalSecretWith makes it with a condition of ESO's, or none, and with more
// annotations.
func (s *shop) externalSecretWith(version int, status, annotations string) {
	s.t.Helper()
	s.apply(fmt.Sprintf(`
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: shop-external
  namespace: %[1]s
  labels: {app.kubernetes.io/managed-by: envgraft}
  annotations:
    envgraft.dev/keys: '{"parameter":"/%[1]s/shop/stage/app","store":"ClusterSecretStore/aws-ssm","version":%[2]d,"asOf":"2026-01-01T00:00:00Z","keys":["API_KEY"]}'
    %[4]s
spec:
  refreshInterval: 5m
  secretStoreRef: {kind: ClusterSecretStore, name: aws-ssm}
  target: {name: shop-secrets, creationPolicy: Owner}
  dataFrom: [{extract: {key: /%[1]s/shop/stage/app}}]
status: {refreshTime: "2026-01-01T00:00:00Z", binding: {name: shop-secrets}, conditions: [%[3]s]}
`, s.ns, version, status, annotations))
}

// complain is ESO's Event about the ExternalSecret.
func (s *shop) complain(text string) {
	s.t.Helper()
	s.externalSecret(3, false)
	event := &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{GenerateName: "shop-", Namespace: s.ns},
		InvolvedObject: corev1.ObjectReference{Kind: "ExternalSecret", Name: "shop-external", Namespace: s.ns},
		Type:           corev1.EventTypeWarning, Reason: "UpdateFailed", Message: text, LastTimestamp: metav1.Now(),
	}
	if err := s.client.Create(s.t.Context(), event); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) secret(key string) {
	s.t.Helper()
	s.remove("v1", "Secret", "shop-secrets")
	s.apply(fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: shop-secrets, namespace: %s}, data: {%s: aHVudGVyMg==}}", s.ns, key))
}

// deployment makes the workload. more are members of its template's metadata.
func (s *shop) deployment(more string) {
	s.t.Helper()
	s.remove("apps/v1", "Deployment", "shop")
	s.apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: %s}
spec:
  selector: {matchLabels: {instance: shop}}
  template:
    metadata: {labels: {instance: shop%s}
    spec: {containers: [{name: shop, image: x}]}
`, s.ns, or(more, ", app.kubernetes.io/name: shop}")))
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// pod makes a pod of the workload that started just now. The webhook is called
// for it, unless it opts out.
func (s *shop) pod(name, replicaSet string, labels ...string) {
	s.t.Helper()
	isController := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: s.ns, Labels: map[string]string{"instance": "shop", api.LabelName: "shop", "pod-template-hash": strings.TrimPrefix(replicaSet, "shop-")},
			Annotations:     map[string]string{api.AnnotationParameterVersion: "3"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: replicaSet, UID: "1", Controller: &isController}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "x"}}},
	}
	for _, label := range labels {
		key, value, _ := strings.Cut(label, "=")
		p.Labels[key] = value
	}
	if err := s.client.Create(s.t.Context(), p); err != nil {
		s.t.Fatal(err)
	}
	if p.Annotations[api.AnnotationParameterVersion] != "3" { // the webhook's own, of the fake SSM, which was filled later than the record
		p.Annotations[api.AnnotationParameterVersion] = "3"
		delete(p.Annotations, api.AnnotationParameterModified)
		if err := s.client.Update(s.t.Context(), p); err != nil {
			s.t.Fatal(err)
		}
	}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "shop", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Now().Add(time.Minute))}},
	}}
	if err := s.client.Status().Update(s.t.Context(), p); err != nil {
		s.t.Fatal(err)
	}
}

// replacePods is what the workload's controller does at a restart.
func (s *shop) replacePods() {
	s.t.Helper()
	s.mustRun(s.t, "", "-n", s.ns, "delete", "pods", "--all", "--force", "--grace-period=0")
	s.pod("shop-2", "shop-2")
}
