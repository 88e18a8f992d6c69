package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// now is when all inputs were gathered.
func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func found[T any](value T) clusterview.Seen[T] {
	return clusterview.Seen[T]{State: clusterview.Found, Value: value}
}

func missing[T any]() clusterview.Seen[T] { return clusterview.Seen[T]{State: clusterview.NotFound} }

func forbidden[T any](what string) clusterview.Seen[T] {
	return clusterview.Seen[T]{State: clusterview.Forbidden, Cause: "you may not " + what}
}

// bundle is a CA for the time between.
func bundle(t *testing.T, from, until time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func deployment(namespace, name string, ready int32) clusterview.Deployment {
	var d clusterview.Deployment
	d.Metadata = metav1.ObjectMeta{Namespace: namespace, Name: name, Annotations: map[string]string{"meta.helm.sh/release-name": name}}
	d.Status.Replicas, d.Status.ReadyReplicas = 1, ready
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: name}}
	return d
}

// reloaderWith is a Reloader that was started with arguments.
func reloaderWith(arguments ...string) []clusterview.Deployment {
	d := deployment("infra", "reloader", 1)
	d.Spec.Template.Spec.Containers[0].Args = arguments
	return []clusterview.Deployment{d}
}

// healthy is an app whose chain is whole.
func healthy(t *testing.T) *Input {
	t.Helper()
	c := config.Default()
	c.Environment, c.AWS.Region = "stage", "eu-central-1"
	if err := c.Validate(config.ModeLocal); err != nil {
		t.Fatal(err)
	}
	settings := clusterview.Settings{Configuration: c, From: "ConfigMap envgraft-system/envgraft"}
	in := &Input{
		Now: now(), Settings: settings, Installation: "envgraft-system/envgraft", ESO: found("v1"),
		StoreRef: clusterview.StoreRef{Kind: graft.KindClusterSecretStore, Name: "aws-ssm"},
		Backends: found(clusterview.Backends{Service: "envgraft-system/envgraft-webhook", Ready: 2}),
		Operators: found(clusterview.Operators{
			Envgraft: []clusterview.Deployment{deployment("envgraft-system", "envgraft", 1)},
			ESO:      []clusterview.Deployment{deployment("external-secrets", "external-secrets", 1)},
			Reloader: reloaderWith(),
		}),
	}
	var webhooks clusterview.Webhooks
	for _, path := range []string{api.PodsWebhook, api.WorkloadsWebhook} {
		w := clusterview.Webhook{Name: "namespace." + strings.TrimPrefix(path, "/mutate/") + ".envgraft.dev"}
		w.ClientConfig.URL = "https://envgraft" + path
		w.ClientConfig.CABundle = bundle(t, now().Add(-time.Hour), now().Add(time.Hour))
		webhooks.Webhooks = append(webhooks.Webhooks, w)
	}
	in.Webhooks = found(webhooks)
	var store clusterview.Store
	store.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue}}
	in.Store = found(store)
	in.App = app(t, settings)
	in.Admission = found(clusterview.Admission{Pod: admitted()})
	return in
}

// admitted is the pod of a dry run, with literals that others added.
func admitted(literals ...string) clusterview.Pod {
	pod := clusterview.Pod{Metadata: metav1.ObjectMeta{Annotations: map[string]string{api.AnnotationInjected: "ConfigMap/shop-config,Secret/shop-secrets"}}}
	c := corev1.Container{Name: "shop", EnvFrom: []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "shop-config"}}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "shop-secrets"}}},
	}}
	for _, name := range literals {
		c.Env = append(c.Env, corev1.EnvVar{Name: name, Value: "x"})
	}
	pod.Spec.Containers = []corev1.Container{c}
	return pod
}

// appOf is the shop of a kind, with a template.
func appOf(t *testing.T, settings clusterview.Settings, kind, template string, nsLabels map[string]string) *clusterview.App {
	t.Helper()
	ref, err := clusterview.ParseRef("shop", kind+"/shop")
	if err != nil {
		t.Fatal(err)
	}
	ns := identity.Namespace{Name: "shop", Labels: nsLabels, Annotations: map[string]string{}}
	a := &clusterview.App{Settings: settings, Namespace: found(ns), Now: now()}
	a.Workload = clusterview.Workload{Ref: ref, Template: []byte(template), Annotations: map[string]string{api.ReloaderSecret: "shop-secrets"}, Labels: map[string]string{}}
	a.Subject = graft.New(settings.Configuration.Engine()).Inspect(ns, a.Workload.Template)
	a.ConfigMap = found(clusterview.ConfigMap{Data: map[string]string{"MODE": "x"}})
	a.Secret = found(clusterview.Secret{Keys: []string{"API_KEY"}, Changed: now().Add(-2 * time.Hour), Maker: "shop-external"})
	a.ExternalSecret = externalSecret(3, `["API_KEY"]`)
	a.ExternalSecrets = found(clusterview.ExternalSecrets{Version: "v1", Items: []clusterview.ExternalSecret{*a.ExternalSecret}})
	a.Pods = found([]clusterview.Pod{pod("shop-1", "3"), pod("shop-2", "3")})
	return a
}

const template = `{"metadata":{"labels":{"app.kubernetes.io/name":"shop"}},"spec":{"containers":[{"name":"shop","env":[{"name":"OWN","value":"x"}]}]}}`

func optedIn() map[string]string { return map[string]string{api.LabelInject: api.Enabled} }

func app(t *testing.T, settings clusterview.Settings) *clusterview.App {
	t.Helper()
	return appOf(t, settings, "deploy", template, optedIn())
}

func externalSecret(version int, keys string) *clusterview.ExternalSecret {
	e := &clusterview.ExternalSecret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop-external", Annotations: map[string]string{}}, Managed: true,
		Record: externalsecret.ParseRecord(fmt.Sprintf(
			`{"parameter":"/shop/shop/stage/app","store":"ClusterSecretStore/aws-ssm","version":%d,"asOf":"2026-03-01T09:00:00Z","keys":%s}`, version, keys)),
	}
	e.Spec.SecretStoreRef = clusterview.StoreRef{Kind: graft.KindClusterSecretStore, Name: "aws-ssm"}
	e.Spec.Target.Name = "shop-secrets"
	e.Spec.DataFrom = []externalsecret.DataFrom{{Extract: &externalsecret.Extract{Key: "/shop/shop/stage/app"}}}
	e.Status.RefreshTime = metav1.NewTime(now().Add(-time.Minute))
	e.Status.Binding.Name = "shop-secrets"
	setReady(e, metav1.ConditionTrue, "SecretSynced", "secret synced")
	return e
}

func setReady(e *clusterview.ExternalSecret, status metav1.ConditionStatus, reason, message string) {
	e.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Reason: reason, Message: message}}
}

// pod is one that was admitted by a version and started an hour ago; version
// "uninjected" was not injected.
func pod(name, version string) clusterview.Pod {
	p := clusterview.Pod{Metadata: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}}}
	if version != "uninjected" {
		p.Metadata.Annotations[api.AnnotationInjected], p.Metadata.Annotations[api.AnnotationParameterVersion] = "ConfigMap/shop-config,Secret/shop-secrets", version
		p.Metadata.Annotations[api.AnnotationParameter] = "/shop/shop/stage/app"
	}
	p.Status.Phase = corev1.PodRunning
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(now().Add(-time.Hour))}}}}
	return p
}

func waiting(name, reason, message string) clusterview.Pod {
	p := pod(name, "3")
	p.Status.Phase = corev1.PodPending
	p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
	return p
}
