package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
)

// TestClientCertificate has an API server present the certificate that
// docs/security.md tells it to, to a server that takes reviews from nobody else.
func TestClientCertificate(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("it needs an API server")
	}
	dir := t.TempDir()
	address := freeAddress(t)
	write := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	ca, caKey := signed(t, "apiserver-clients", nil, nil)
	leaf, leafKey := signed(t, "kube-apiserver", ca, caKey)
	key, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	kubeconfig := write("kubeconfig.yaml", fmt.Sprintf("apiVersion: v1\nkind: Config\nusers:\n  - name: %q\n    user: {client-certificate: %q, client-key: %q}\n",
		address, write("tls.crt", encode("CERTIFICATE", leaf.Raw)), write("tls.key", encode("EC PRIVATE KEY", key))))
	admission := write("admission.yaml", fmt.Sprintf(`apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: MutatingAdmissionWebhook
    configuration:
      apiVersion: apiserver.config.k8s.io/v1
      kind: WebhookAdmissionConfiguration
      kubeConfigFile: %q
`, kubeconfig))
	config := write("config.yaml", fmt.Sprintf("apiVersion: config.envgraft.dev/v1alpha1\nkind: Configuration\nserver: {clientCA: %q}\n",
		write("ca.crt", encode("CERTIFICATE", ca.Raw))))
	servingCA := filepath.Join(dir, "serving.crt")
	serveWith(t, "serve", "--standalone", "--config", config, "--listen", address, "--ca-file", servingCA)

	env := &envtest.Environment{}
	env.ControlPlane.GetAPIServer().Configure().Set("admission-control-config-file", admission)
	var log syncBuffer
	env.ControlPlane.GetAPIServer().Err = &log
	env.ControlPlaneStartTimeout = time.Minute
	restConfig, err := env.Start()
	if err != nil {
		t.Fatalf("%v; the API server's log:\n%s", err, &log)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(restConfig, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(servingCA)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), podsWebhook("https://"+address+api.PodsWebhook, bundle)); err != nil {
		t.Fatal(err)
	}

	var pod *corev1.Pod
	var last error
	err = wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		pod = &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "myapp-", Namespace: "default", Labels: map[string]string{api.LabelName: "myapp", api.LabelInject: api.Enabled}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "i"}}},
		}
		if err := c.Create(ctx, pod, client.DryRunAll); ctx.Err() == nil {
			last = err
		}
		// The API server learns of the webhook a moment later.
		return last == nil && pod.Annotations[api.AnnotationInjected] != "", nil
	})
	if err != nil {
		t.Errorf("the pod was not grafted: %v; last: %v, annotations %v; the API server's log:\n%s", err, last, pod.Annotations, &log)
	}
}

// serveWith runs the command until the test ends, and waits for the file with
// its CA.
func serveWith(t *testing.T, args ...string) {
	t.Helper()
	var log syncBuffer
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		command := cli.New(cmdutil.Streams{In: strings.NewReader(""), Out: &log, Err: &log})
		command.SetArgs(args)
		stopped <- command.ExecuteContext(ctx)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("the server ended with %v; its log:\n%s", err, &log)
		}
	})
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		_, err := os.Stat(args[len(args)-1])
		return err == nil, nil
	})
	if err != nil {
		t.Fatalf("the server does not start; its log:\n%s", &log)
	}
}

func podsWebhook(url string, bundle []byte) *admissionregistrationv1.MutatingWebhookConfiguration {
	none, fail, timeout := admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.Fail, int32(10)
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "envgraft"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name:         "pods.envgraft.dev",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: bundle},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			SideEffects: &none, FailurePolicy: &fail, TimeoutSeconds: &timeout, AdmissionReviewVersions: []string{"v1"},
		}},
	}
}

// signed makes a certificate, which is a CA where it has no parent.
func signed(t *testing.T, name string, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage, template.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}
