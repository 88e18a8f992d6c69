package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/cli"
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
	s.apply(`{apiVersion: v1, kind: ConfigMap, metadata: {name: envgraft, namespace: envgraft}, data: {config.yaml: "` +
		`apiVersion: config.envgraft.dev/v1alpha1\nkind: Configuration\nenvironment: stage\n"}}`)
	s.ns = s.namespace(t, map[string]string{api.LabelInject: api.Enabled})
	s.ssm.Put("/"+s.ns+"/shop/stage/app", `{"API_KEY":"hunter2"}`)
	s.store("")
	s.externalSecret(3, true)
	s.secret("API_KEY")
	s.deployment("")
	s.pod("shop-1", "shop-1")
	return s
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
metadata: {name: %[2]s, namespace: %[1]s, labels: {app.kubernetes.io/name: %[2]s}}
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
func (s *shop) store(conditions string) {
	s.t.Helper()
	s.remove("external-secrets.io/v1", "ClusterSecretStore", "aws-ssm")
	s.apply(`
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws-ssm}
spec: {` + conditions + ` provider: {aws: {service: ParameterStore, region: eu-central-1}}}
status: {conditions: [{type: Ready, status: "True", reason: Valid, message: ok, lastTransitionTime: "2026-01-01T00:00:00Z"}]}
`)
}

// externalSecret makes the app's, as envgraft and ESO leave it.
func (s *shop) externalSecret(version int, synced bool) {
	s.t.Helper()
	status := `{type: Ready, status: "True", reason: SecretSynced, message: secret synced, lastTransitionTime: "2026-01-01T00:00:00Z"}`
	if !synced {
		status = `{type: Ready, status: "False", reason: SecretSyncedError, message: could not get secret data from provider, lastTransitionTime: "2026-01-01T00:00:00Z"}`
	}
	s.apply(fmt.Sprintf(`
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: shop-external
  namespace: %[1]s
  labels: {app.kubernetes.io/managed-by: envgraft}
  annotations:
    envgraft.dev/keys: '{"parameter":"/%[1]s/shop/stage/app","store":"ClusterSecretStore/aws-ssm","version":%[2]d,"asOf":"2026-01-01T00:00:00Z","keys":["API_KEY"]}'
spec:
  refreshInterval: 5m
  secretStoreRef: {kind: ClusterSecretStore, name: aws-ssm}
  target: {name: shop-secrets, creationPolicy: Owner}
  dataFrom: [{extract: {key: /%[1]s/shop/stage/app}}]
status: {refreshTime: "2026-01-01T00:00:00Z", binding: {name: shop-secrets}, conditions: [%[3]s]}
`, s.ns, version, status))
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
	controller := true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: s.ns, Labels: map[string]string{"instance": "shop", api.LabelName: "shop", "pod-template-hash": strings.TrimPrefix(replicaSet, "shop-")},
			Annotations:     map[string]string{api.AnnotationParameterVersion: "3"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: replicaSet, UID: "1", Controller: &controller}},
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
	if p.Annotations[api.AnnotationParameterVersion] != "3" { // the webhook's own, of the fake SSM
		p.Annotations[api.AnnotationParameterVersion] = "3"
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

// finding is one of doctor's.
type finding struct{ Check, Status, Message, Fix string }

// doctor runs the command as a person does.
func (s *shop) doctor(kubeconfig string, flags ...string) (findings []finding, code int, text string) {
	s.t.Helper()
	args := []string{"doctor", "deploy/shop", "-n", s.ns, "-o", "json", "--installation", "envgraft/envgraft"}
	args = append(args, flags...)
	if kubeconfig != "" {
		args = append(args, "--kubeconfig", kubeconfig)
	}
	var out, errOut bytes.Buffer
	code = cli.Main(s.t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errOut})
	text = out.String() + errOut.String()
	if strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMg") {
		s.t.Errorf("doctor printed a value: %s", text)
	}
	var all []struct{ Findings []finding }
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 1 {
		s.t.Fatalf("exit code %d, %v: %s", code, err, text)
	}
	return all[0].Findings, code, text
}

// broken is the first broken link; its zero value says that all hold.
func broken(findings []finding) finding {
	for _, f := range findings {
		if f.Status == "broken" {
			return f
		}
	}
	return finding{}
}

// mend runs a command that doctor printed. What it asks of AWS, Helm and
// controllers that do not run here, the test plays.
func (s *shop) mend(fix string) {
	s.t.Helper()
	bin := s.t.TempDir()
	for _, program := range []string{"aws", "helm"} {
		if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"), 0o700); err != nil {
			s.t.Fatal(err)
		}
	}
	command := exec.CommandContext(s.t.Context(), "sh", "-ec", fix)
	command.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("KUBEBUILDER_ASSETS")+":"+os.Getenv("PATH"))
	if out, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("the printed fix fails: %v\n%s\n%s", err, fix, out)
	}
}

// TestDoctorFindsEachBrokenLink breaks each link, reads what doctor says, runs
// the command that it prints, and finds the chain whole again.
func TestDoctorFindsEachBrokenLink(t *testing.T) {
	for name, tc := range map[string]struct {
		check, fix string
		spoil      func(*shop)
		// play is what AWS, Helm or a controller does at the fix.
		play func(*shop)
	}{
		"NoReplica": {
			"envgraft", "rollout restart",
			func(s *shop) { s.operator("envgraft", "envgraft", 0) }, func(s *shop) { s.operator("envgraft", "envgraft", 1) },
		},
		"NoWorkloadWebhook": {
			"webhook", "helm upgrade",
			func(s *shop) {
				s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) {
					url := strings.Replace(*c.URL, api.WorkloadsWebhook, "/mutate/elsewhere", 1)
					c.URL = &url
				})
			},
			(*shop).restoreWebhooks,
		},
		"WrongCA": {
			"certificate", "rollout restart deployment/envgraft",
			func(s *shop) {
				s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) { c.CABundle = otherCA(s.t) })
			},
			(*shop).restoreWebhooks,
		},
		"Unreachable": {
			"admission", "rollout restart deployment/envgraft",
			func(s *shop) {
				s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) {
					url := "https://127.0.0.1:1" + (*c.URL)[strings.Index(*c.URL, "/mutate"):]
					c.URL = &url
				})
			},
			(*shop).restoreWebhooks,
		},
		"NotOptedIn": {"namespace", "kubectl label namespace", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelInject+"-")
		}, nil},
		"OptedOut": {"namespace", "kubectl label namespace", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, "--overwrite", api.LabelInject+"=disabled")
		}, nil},
		"Bypassed": {"namespace", "bypass-", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelBypass+"=true")
		}, nil},
		"Audited": {"namespace", "mode-", func(s *shop) {
			s.mustRun(s.t, "", "annotate", "namespace", s.ns, api.AnnotationMode+"="+api.ModeAudit)
		}, nil},
		"NoApp": {"labels", api.LabelApp, func(s *shop) { s.deployment("}") }, nil},
		"BadSetting": {"labels", "patch", func(s *shop) {
			s.deployment(`, app.kubernetes.io/name: shop}, annotations: {envgraft.dev/secret-optional: perhaps}`)
		}, nil},
		"OtherSystem": {"labels", "patch", func(s *shop) { s.deployment(`, app.kubernetes.io/name: shop, envgraft.dev/system: payments}`) }, nil},
		"NotAnObject": {
			"admission", "aws ssm put-parameter",
			func(s *shop) { s.ssm.Put("/"+s.ns+"/shop/stage/app", `[]`) },
			func(s *shop) { s.ssm.Put("/"+s.ns+"/shop/stage/app", `{"API_KEY":"hunter2"}`) },
		},
		"NoESOPods": {
			"operator", "rollout restart",
			func(s *shop) { s.operator("external-secrets", "external-secrets", 0) },
			func(s *shop) { s.operator("external-secrets", "external-secrets", 1) },
		},
		"NoExternalSecret": {
			"externalsecret", "rollout restart deployment/envgraft",
			func(s *shop) { s.remove("external-secrets.io/v1", "ExternalSecret", "shop-external") }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NoStore": {
			"store", "kubectl apply",
			func(s *shop) { s.remove("external-secrets.io/v1", "ClusterSecretStore", "aws-ssm") }, nil,
		},
		"ClosedStore": {
			"store", "kubectl patch clustersecretstore",
			func(s *shop) { s.store("conditions: [{namespaces: [other]}],") }, nil,
		},
		"NoParameter": {
			"parameter", "aws ssm put-parameter",
			func(s *shop) { s.complain("error processing spec.dataFrom[0].extract, err: Secret does not exist") },
			func(s *shop) { s.externalSecret(3, true) },
		},
		"AccessDenied": {
			"parameter", "ssm:GetParameter",
			func(s *shop) {
				s.complain("AccessDeniedException: User: x is not authorized to perform: ssm:GetParameter on resource: y")
			},
			func(s *shop) { s.externalSecret(3, true) },
		},
		"KMSDenied": {
			"parameter", "kms:Decrypt",
			func(s *shop) {
				s.complain("AccessDeniedException: The ciphertext refers to a KMS key that you may not use")
			},
			func(s *shop) { s.externalSecret(3, true) },
		},
		"NotSynced": {
			"sync", "force-sync",
			func(s *shop) { s.externalSecret(3, false) }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NoSecret":   {"secret", "force-sync", func(s *shop) { s.remove("v1", "Secret", "shop-secrets") }, func(s *shop) { s.secret("API_KEY") }},
		"KeyMissing": {"secret", "force-sync", func(s *shop) { s.secret("OTHER") }, func(s *shop) { s.secret("API_KEY") }},
		"NoConfigMap": {"configmap", "create configmap", func(s *shop) {
			s.deployment(`, app.kubernetes.io/name: shop}, annotations: {envgraft.dev/config-map-required: "true"}`)
		}, nil},
		"BarePod": {"pods", "rollout restart", func(s *shop) {
			s.pod("shop-bare", "shop-1", api.LabelInject+"=disabled")
		}, (*shop).replacePods},
		"StalePod": {
			"pods", "rollout restart",
			func(s *shop) { s.externalSecret(4, true) }, func(s *shop) { s.externalSecret(3, true) },
		},
		"NoReloader": {
			"reloader", "helm",
			func(s *shop) { s.mustRun(s.t, "", "-n", "reloader", "delete", "deployment", "reloader") },
			func(s *shop) { s.operator("reloader", "reloader", 1) },
		},
		"BlindReloader": {"reloader", "set env", func(s *shop) {
			s.mustRun(s.t, "", "-n", "reloader", "set", "env", "deployment/reloader", "KUBERNETES_NAMESPACE=reloader")
		}, nil},
		"NoAnnotation": {"annotations", "annotate", func(s *shop) {
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelInject+"-")
			s.deployment("")
			s.mustRun(s.t, "", "label", "namespace", s.ns, api.LabelInject+"=enabled")
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.untilBroken("", "it is healthy to begin with")
			tc.spoil(s)
			f := s.untilBroken(tc.check, "what was broken")
			if !strings.Contains(f.Fix, tc.fix) {
				t.Errorf("the fix is %q, want something with %q", f.Fix, tc.fix)
			}
			s.mend(f.Fix)
			if tc.play != nil {
				tc.play(s)
			}
			s.untilBroken("", "it is healthy after the fix")
		})
	}
}

// untilBroken runs doctor until the named link is the broken one; none for "".
// The API server takes a moment to hear of changed webhooks and namespaces.
func (s *shop) untilBroken(check, what string) finding {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		findings, code, text := s.doctor("")
		f := broken(findings)
		if f.Check == check && (code == 0) == (check == "") {
			return f
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s: want the broken link %q, got %q and exit code %d:\n%s", what, check, f.Check, code, text)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// TestDoctorWithTheRightsOfANamespaceAdmin runs it as people do: what they may
// not see is said, and is no fault.
func TestDoctorWithTheRightsOfANamespaceAdmin(t *testing.T) {
	s := newShop(t)
	s.untilBroken("", "it is healthy to begin with")
	user, err := s.env.AddUser(envtest.User{Name: "jane"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The ClusterRole admin is put together of these by a controller that does
	// not run here.
	for _, role := range []string{"system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view"} {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "jane-", Namespace: s.ns},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "jane"}},
		}
		if err := s.client.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	findings, code, text := s.doctor(file)
	if code != 0 {
		t.Errorf("exit code %d, want 0: %s", code, text)
	}
	got := map[string]string{}
	for _, f := range findings {
		got[f.Check] = f.Status
	}
	for check, want := range map[string]string{
		"envgraft": "not seen", "webhook": "not seen", "store": "not seen", "reloader": "not seen",
		"namespace": "ok", "admission": "ok", "secret": "ok", "pods": "ok", "annotations": "ok",
	} {
		if got[check] != want {
			t.Errorf("%s is %q, want %q: %s", check, got[check], want, text)
		}
	}
	if _, code, text := s.doctor(file, "--strict"); code != 3 || !strings.Contains(text, "you may not") {
		t.Errorf("exit code %d with --strict, want 3 and the right that is missing: %s", code, text)
	}
}
