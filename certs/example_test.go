package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/envgraft/envgraft/certs"
)

// A program that is run by hand: it serves, and writes its CA for its clients.
func ExampleNewSelfSigned() {
	source, err := certs.NewSelfSigned("localhost", "127.0.0.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: source.GetCertificate, MinVersion: tls.VersionTLS13})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer listener.Close() //nolint:errcheck // nothing was left to be written
	go func() {
		if connection, err := listener.Accept(); err == nil {
			_, _ = fmt.Fprintln(connection, "trusted")
			_ = connection.Close()
		}
	}()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(source.CAPEM())
	connection, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connection.Close() //nolint:errcheck // it was only read
	var answer string
	_, _ = fmt.Fscanln(connection, &answer)
	fmt.Println(answer)
	// Output: trusted
}

// A replica of a webhook in a cluster: it keeps the certificate in a Secret, and
// puts the CA into the webhook's configuration.
func ExampleNewManaged() {
	none := admissionv1.SideEffectClassNone
	client := fake.NewClientset(&admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "hook"},
		Webhooks: []admissionv1.MutatingWebhook{{
			Name: "pods.example.com", SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionv1.WebhookClientConfig{Service: &admissionv1.ServiceReference{Namespace: "hooks", Name: "hook"}},
		}},
	})
	managed, err := certs.NewManaged(client, certs.Target{
		Namespace: "hooks", Service: "hook", Secret: "hook-tls", WebhookConfigurations: []string{"hook"},
	}, certs.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- managed.Start(ctx) }() // or add it to a manager

	for managed.Ready(nil) != nil && ctx.Err() == nil { // a readiness probe asks this
		<-time.After(10 * time.Millisecond)
	}
	secret, err := client.CoreV1().Secrets("hooks").Get(ctx, "hook-tls", metav1.GetOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	configuration, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, "hook", metav1.GetOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready:", managed.Ready(nil) == nil)
	fmt.Println("type of the Secret:", secret.Type)
	fmt.Println("the configuration has a CA:", len(configuration.Webhooks[0].ClientConfig.CABundle) > 0)
	cancel()
	fmt.Println("stopped:", <-stopped)
	// Output:
	// ready: true
	// type of the Secret: kubernetes.io/tls
	// the configuration has a CA: true
	// stopped: <nil>
}
