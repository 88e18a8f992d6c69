package certs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

func testTarget() Target {
	return Target{Namespace: "ns", Service: "hook", Secret: "hook-tls", WebhookConfigurations: []string{"hook"}}
}

func testConfiguration() *admissionv1.MutatingWebhookConfiguration {
	none := admissionv1.SideEffectClassNone
	path := "/mutate"
	webhook := func(name string) admissionv1.MutatingWebhook {
		return admissionv1.MutatingWebhook{
			Name: name,
			ClientConfig: admissionv1.WebhookClientConfig{
				Service: &admissionv1.ServiceReference{Namespace: "ns", Name: "hook", Path: &path},
			},
			SideEffects:             &none,
			AdmissionReviewVersions: []string{"v1"},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"a": name}},
		}
	}
	return &admissionv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "hook", ResourceVersion: "1"},
		Webhooks:   []admissionv1.MutatingWebhook{webhook("a.envgraft.dev"), webhook("b.envgraft.dev")},
	}
}

func newManaged(t *testing.T, client *fake.Clientset, opts Options) *Managed {
	t.Helper()
	m, err := NewManaged(client, testTarget(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func reconcile(t *testing.T, m *Managed) {
	t.Helper()
	if _, err := m.reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func getSecret(t *testing.T, client *fake.Clientset) *corev1.Secret {
	t.Helper()
	secret, err := client.CoreV1().Secrets("ns").Get(t.Context(), "hook-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func getConfiguration(t *testing.T, client *fake.Clientset) *admissionv1.MutatingWebhookConfiguration {
	t.Helper()
	c, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), "hook", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// served is the serial number of what a handshake gets, which tells one
// certificate from another.
func served(t *testing.T, s Source) string {
	t.Helper()
	cert, err := s.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf.SerialNumber.String()
}

func TestManagedStartsWithNothing(t *testing.T) {
	client := fake.NewClientset(testConfiguration())
	m := newManaged(t, client, Options{})
	if _, err := m.GetCertificate(nil); err == nil {
		t.Error("a certificate before there is one")
	}
	if m.Ready(nil) == nil {
		t.Error("ready before there is a certificate")
	}

	reconcile(t, m)
	if err := m.Ready(nil); err != nil {
		t.Errorf("not ready: %v", err)
	}
	secret := getSecret(t, client)
	if secret.Type != corev1.SecretTypeTLS {
		t.Errorf("Secret of type %q", secret.Type)
	}
	cert, err := m.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	assertVerifies(t, secret.Data["ca.crt"], cert, time.Now())

	want := testConfiguration()
	for i := range want.Webhooks {
		want.Webhooks[i].ClientConfig.CABundle = secret.Data["ca.crt"]
	}
	ignored := cmp.FilterPath(func(p cmp.Path) bool {
		return p.String() == "ObjectMeta.ResourceVersion" || p.String() == "ObjectMeta.ManagedFields" || strings.HasPrefix(p.String(), "TypeMeta")
	}, cmp.Ignore())
	if diff := cmp.Diff(want, getConfiguration(t, client), ignored); diff != "" {
		t.Errorf("more than the CA changed in the configuration (-want +got):\n%s", diff)
	}

	client.ClearActions()
	reconcile(t, m)
	for _, action := range client.Actions() {
		if action.GetVerb() != "get" {
			t.Errorf("%s %s, although nothing was to do", action.GetVerb(), action.GetResource().Resource)
		}
	}
}

// Another replica's write between our read and our write is found out, and
// what it wrote is used: a replica that served or published a CA of its own
// would turn away half of the API server's calls.
func TestManagedLosesRaces(t *testing.T) {
	_, winner := fresh(t, testPolicy(), time.Now())
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "hook-tls", ResourceVersion: "7"},
		Data:       winner,
	}
	empty := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "hook-tls", ResourceVersion: "6"}}
	resource := schema.GroupResource{Resource: "secrets"}
	for _, tc := range []struct {
		reason string
		verb   string
		exists []runtime.Object
		lost   error
	}{
		{"both create", "create", nil, apierrors.NewAlreadyExists(resource, "hook-tls")},
		{"both repair", "update", []runtime.Object{empty}, apierrors.NewConflict(resource, "hook-tls", errors.New("modified"))},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			client := fake.NewClientset(append(tc.exists, testConfiguration())...)
			lost := 0
			client.PrependReactor(tc.verb, "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
				lost++
				if tc.exists == nil {
					return true, nil, errors.Join(client.Tracker().Add(foreign), tc.lost)
				}
				return true, nil, errors.Join(client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("secrets"), foreign, "ns"), tc.lost)
			})
			m := newManaged(t, client, Options{})
			reconcile(t, m)
			if lost != 1 {
				t.Errorf("%d writes, want the one that was lost", lost)
			}
			if diff := cmp.Diff(winner["tls.crt"], encodeChain(m.status.Load().cert.Certificate)); diff != "" {
				t.Errorf("not the winner's certificate (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(winner["ca.crt"], getConfiguration(t, client).Webhooks[1].ClientConfig.CABundle); diff != "" {
				t.Errorf("not the winner's CA (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManagedKeepsWhatElseIsInTheSecret(t *testing.T) {
	client := fake.NewClientset(testConfiguration(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "hook-tls", ResourceVersion: "1", Labels: map[string]string{"team": "a"}},
		Data:       map[string][]byte{"note": []byte("hello")},
	})
	reconcile(t, newManaged(t, client, Options{}))
	secret := getSecret(t, client)
	if secret.Labels["team"] != "a" || string(secret.Data["note"]) != "hello" {
		t.Errorf("labels %v and note %q were not kept", secret.Labels, secret.Data["note"])
	}
}

func TestManagedIsNotReadyWithoutTheCAInEveryConfiguration(t *testing.T) {
	forbidden := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{}, "hook", errors.New("no"))
	}
	for _, tc := range []struct {
		reason string
		breaks func(*fake.Clientset) error
		want   string
	}{
		{
			reason: "it was deleted",
			breaks: func(c *fake.Clientset) error {
				return c.AdmissionregistrationV1().MutatingWebhookConfigurations().Delete(t.Context(), "hook", metav1.DeleteOptions{})
			},
			want: `there is no MutatingWebhookConfiguration "hook"`,
		},
		{
			reason: "one of its webhooks was blanked, and it cannot be patched",
			breaks: func(c *fake.Clientset) error {
				blank := getConfiguration(t, c)
				blank.Webhooks[1].ClientConfig.CABundle = nil
				_, err := c.AdmissionregistrationV1().MutatingWebhookConfigurations().Update(t.Context(), blank, metav1.UpdateOptions{})
				c.PrependReactor("patch", "*", forbidden)
				return err
			},
			want: `the CA is not in MutatingWebhookConfiguration "hook"`,
		},
		{
			reason: "that the API server does not answer says nothing about the CA",
			breaks: func(c *fake.Clientset) error {
				c.PrependReactor("get", "*", forbidden)
				return nil
			},
		},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			client := fake.NewClientset(testConfiguration())
			m := newManaged(t, client, Options{})
			reconcile(t, m)
			if err := m.Ready(nil); err != nil {
				t.Fatal(err)
			}
			if err := tc.breaks(client); err != nil {
				t.Fatal(err)
			}
			if _, err := m.reconcile(t.Context()); err == nil {
				t.Error("reconcile reports no error, so nothing would be tried again soon")
			}
			got := ""
			if err := m.Ready(nil); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("Ready: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestManagedIsNotReadyWithAnExpiredCertificate(t *testing.T) {
	clock := clocktesting.NewFakeClock(epoch)
	m := newManaged(t, fake.NewClientset(testConfiguration()), Options{Clock: clock})
	reconcile(t, m)
	clock.Step(91 * day)
	if err := m.Ready(nil); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Ready: %v, want that it expired", err)
	}
	reconcile(t, m)
	if err := m.Ready(nil); err != nil {
		t.Error(err)
	}
}

// A certificate of a CA that could not be published is not served: every call
// would fail, while the one before is good.
func TestManagedPublishesBeforeItServes(t *testing.T) {
	client := fake.NewClientset(testConfiguration())
	m := newManaged(t, client, Options{})
	reconcile(t, m)
	before := served(t, m)

	_, data := fresh(t, testPolicy(), time.Now())
	secret := getSecret(t, client)
	secret.Data = data
	if _, err := client.CoreV1().Secrets("ns").Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	broken := true
	client.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return broken, nil, errors.New("no route to host")
	})
	if _, err := m.reconcile(t.Context()); err == nil {
		t.Error("no error, although nothing could be published")
	}
	if served(t, m) != before {
		t.Error("the new certificate is served, although nobody trusts its CA")
	}
	broken = false
	reconcile(t, m)
	if served(t, m) == before {
		t.Error("the old certificate is still served, although the new CA is published")
	}
}

// Two releases that each want the Secret for their own Service must not keep
// the API server busy.
func TestManagedDoesNotFightWithoutLimit(t *testing.T) {
	client := fake.NewClientset(testConfiguration())
	clock := clocktesting.NewFakeClock(epoch)
	m := newManaged(t, client, Options{Clock: clock})
	var failed error
	for range 100 {
		if _, failed = m.reconcile(t.Context()); failed != nil {
			break
		}
		secret := getSecret(t, client)
		secret.Data["tls.crt"] = []byte("undone")
		if _, err := client.CoreV1().Secrets("ns").Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if failed == nil || !strings.Contains(failed.Error(), "something else keeps changing it") {
		t.Fatalf("error %v after 100 rounds", failed)
	}
	clock.Step(time.Minute)
	reconcile(t, m)
}

// A year of Start, in a bubble where time passes at once: it renews, leaves
// nobody waiting, and ends when it is told to.
func TestManagedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := fake.NewClientset(testConfiguration())
		m := newManaged(t, client, Options{Resync: day, Jitter: new(0.0)})
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error)
		go func() { stopped <- m.Start(ctx) }()

		synctest.Wait()
		if err := m.Ready(nil); err != nil {
			t.Errorf("not ready without a wait: %v", err)
		}
		certificates := map[string]bool{}
		for range 365 {
			time.Sleep(day)
			synctest.Wait()
			if err := m.Ready(nil); err != nil {
				t.Fatalf("at %s: %v", time.Now(), err)
			}
			certificates[served(t, m)] = true
		}
		if len(certificates) != 7 {
			t.Errorf("%d certificates in a year, want 7, one each 60 days", len(certificates))
		}

		blank := getConfiguration(t, client)
		blank.Webhooks[0].ClientConfig.CABundle = nil
		if _, err := client.AdmissionregistrationV1().MutatingWebhookConfigurations().Update(ctx, blank, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(getConfiguration(t, client).Webhooks[0].ClientConfig.CABundle) == 0 {
			t.Error("the watch did not have the CA put back")
		}

		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("Start: %v", err)
		}
	})
}

// What cannot work is said at start, in one go.
func TestNewManagedValidates(t *testing.T) {
	_, err := NewManaged(fake.NewClientset(), Target{Service: "hook"}, Options{ServingLifetime: time.Minute})
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"namespace", "secret", "1m0s"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
}
