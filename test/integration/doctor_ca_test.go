package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// otherCA is one that did not issue the webhook's certificate.
func otherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// changeWebhooks changes the configuration by which the API server calls
// envgraft, and back when the test ends: others use it, too.
func (s *shop) changeWebhooks(change func(*admissionregistrationv1.WebhookClientConfig)) {
	s.t.Helper()
	c := &admissionregistrationv1.MutatingWebhookConfiguration{}
	s.get(c, "", "envgraft")
	s.right = c.DeepCopy()
	for i := range c.Webhooks {
		change(&c.Webhooks[i].ClientConfig)
	}
	if err := s.client.Update(s.t.Context(), c); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.restoreWebhooks)
}

func (s *shop) restoreWebhooks() {
	s.t.Helper()
	ctx := context.WithoutCancel(s.t.Context()) // a cleanup's is done already
	c := &admissionregistrationv1.MutatingWebhookConfiguration{}
	if err := s.client.Get(ctx, client.ObjectKey{Name: "envgraft"}, c); err != nil {
		s.t.Fatal(err)
	}
	c.Webhooks = s.right.Webhooks
	if err := s.client.Update(ctx, c); err != nil {
		s.t.Fatal(err)
	}
}

// addOtherWebhook has the API server call, for pods of the namespace, a webhook
// that is not ours and does not answer.
func (s *shop) addOtherWebhook() {
	s.t.Helper()
	s.apply(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: other-` + s.ns + `}
webhooks:
- name: validate.other.example
  clientConfig: {url: "https://127.0.0.1:1/"}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + s.ns + `}}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [pods], operations: [CREATE]}]
  sideEffects: None
  admissionReviewVersions: [v1]
`)
	s.t.Cleanup(s.removeOtherWebhook)
}

func (s *shop) removeOtherWebhook() {
	s.t.Helper()
	c := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	c.Name = "other-" + s.ns
	if err := client.IgnoreNotFound(s.client.Delete(context.WithoutCancel(s.t.Context()), c)); err != nil {
		s.t.Fatal(err)
	}
}
