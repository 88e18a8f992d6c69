package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/envgraft/envgraft/certs"
)

// TestCerts runs replicas of certs.Managed against an API server of its own,
// with the rights that the package says it needs and no others.
func TestCerts(t *testing.T) {
	env := &envtest.Environment{}
	config, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("replicas that start at once agree", newCertsBench(t, env, admin).testStartAtOnce)
	t.Run("a blanked bundle is put back", newCertsBench(t, env, admin).testBlanked)
	t.Run("a damaged Secret is replaced", newCertsBench(t, env, admin).testDamaged)
	t.Run("a rotation turns no API server away", newCertsBench(t, env, admin).testRotation)
	t.Run("a configuration may come late", newCertsBench(t, env, admin).testLateConfiguration)
}

// certsBench is one installation: a namespace, rights and a configuration.
type certsBench struct {
	admin  client.Client
	user   kubernetes.Interface
	target certs.Target
}

func newCertsBench(t *testing.T, env *envtest.Environment, admin client.Client) *certsBench {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "certs-"}}
	if err := admin.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	name := ns.Name
	b := &certsBench{admin: admin, target: certs.Target{
		Namespace: name, Service: "hook", Secret: "hook-tls", WebhookConfigurations: []string{name},
	}}
	user, err := env.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b.user, err = kubernetes.NewForConfig(user.Config()); err != nil {
		t.Fatal(err)
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}
	for _, object := range []client.Object{
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}},
			{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch", "update"}, ResourceNames: []string{"hook-tls"}},
		}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{admissionregistrationv1.GroupName}, Resources: []string{"mutatingwebhookconfigurations"},
			Verbs: []string{"get", "list", "watch", "patch"}, ResourceNames: []string{name},
		}}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: name}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		},
	} {
		if err := admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// configure creates the webhook configuration, for namespaces that no one has.
func (b *certsBench) configure(t *testing.T) {
	t.Helper()
	none, ignore, path := admissionregistrationv1.SideEffectClassNone, admissionregistrationv1.Ignore, "/mutate"
	webhook := func(name string) admissionregistrationv1.MutatingWebhook {
		return admissionregistrationv1.MutatingWebhook{
			Name: name,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				Service: &admissionregistrationv1.ServiceReference{Namespace: b.target.Namespace, Name: b.target.Service, Path: &path},
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"nobody": "has-this"}},
			FailurePolicy:           &ignore,
			SideEffects:             &none,
			AdmissionReviewVersions: []string{"v1"},
		}
	}
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: b.target.WebhookConfigurations[0]},
		Webhooks:   []admissionregistrationv1.MutatingWebhook{webhook("a.envgraft.dev"), webhook("b.envgraft.dev")},
	}
	if err := b.admin.Create(t.Context(), configuration); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.admin.Delete(context.Background(), configuration); err != nil {
			t.Error(err)
		}
	})
}

func (b *certsBench) configuration(ctx context.Context) (*admissionregistrationv1.MutatingWebhookConfiguration, error) {
	out := &admissionregistrationv1.MutatingWebhookConfiguration{}
	return out, b.admin.Get(ctx, client.ObjectKey{Name: b.target.WebhookConfigurations[0]}, out)
}

func (b *certsBench) changeSecret(t *testing.T, change func(*corev1.Secret)) {
	t.Helper()
	secret := &corev1.Secret{}
	if err := b.admin.Get(t.Context(), client.ObjectKey{Namespace: b.target.Namespace, Name: b.target.Secret}, secret); err != nil {
		t.Fatal(err)
	}
	change(secret)
	if err := b.admin.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// replica is a TLS server with a certificate from certs.Managed.
type replica struct {
	*certs.Managed
	addr string
}

// replicas starts three at once.
func (b *certsBench) replicas(t *testing.T, opts certs.Options) []*replica {
	t.Helper()
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(logr.NewContext(context.Background(), logr.Discard()))
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	together := make(chan struct{})
	out := make([]*replica, 3)
	for i := range out {
		managed, err := certs.NewManaged(b.user, b.target, opts)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: managed.GetCertificate, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() }) // Ends shakeHands; a second error says nothing more.
		running.Go(func() { shakeHands(listener) })
		running.Go(func() {
			<-together
			if err := managed.Start(ctx); err != nil {
				t.Errorf("Start: %v", err)
			}
		})
		t.Cleanup(cancel)
		out[i] = &replica{Managed: managed, addr: listener.Addr().String()}
	}
	close(together)
	return out
}

// shakeHands is all that a server needs to do here.
func shakeHands(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			// The client sees why a handshake fails, and reports it.
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}()
	}
}

// call connects to each replica as an API server does that has just read the
// configuration.
func (b *certsBench) call(ctx context.Context, replicas []*replica, now time.Time) error {
	configuration, err := b.configuration(ctx)
	if err != nil {
		return err
	}
	for _, webhook := range configuration.Webhooks {
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(webhook.ClientConfig.CABundle) {
			return fmt.Errorf("webhook %q has no CA bundle", webhook.Name)
		}
		for i, r := range replicas {
			dialer := &tls.Dialer{Config: &tls.Config{
				RootCAs:    roots,
				ServerName: b.target.Service + "." + b.target.Namespace + ".svc",
				Time:       func() time.Time { return now },
				MinVersion: tls.VersionTLS12,
			}}
			conn, err := dialer.DialContext(ctx, "tcp", r.addr)
			if err != nil {
				return fmt.Errorf("replica %d, webhook %q: %w", i, webhook.Name, err)
			}
			_ = conn.Close() // The server may have closed it first.
		}
	}
	return nil
}

// agreed says that all replicas are ready with one certificate, other than the
// one before, and returns its serial number.
func agreed(replicas []*replica, before string) (string, error) {
	serials := make([]string, len(replicas))
	for i, r := range replicas {
		if err := r.Ready(nil); err != nil {
			return "", fmt.Errorf("replica %d is not ready: %w", i, err)
		}
		cert, err := r.GetCertificate(nil)
		if err != nil {
			return "", fmt.Errorf("replica %d: %w", i, err)
		}
		serials[i] = cert.Leaf.SerialNumber.String()
		if serials[i] != serials[0] || serials[i] == before {
			return "", fmt.Errorf("replicas serve certificates %v, want one and not %q", serials[:i+1], before)
		}
	}
	return serials[0], nil
}

// eventually tries until it works, and says what it saw last if it never does.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not within 30 s: %v", err)
		}
	}
}

func eventuallyAgreed(t *testing.T, replicas []*replica, before string) (serial string) {
	t.Helper()
	eventually(t, func() (err error) {
		serial, err = agreed(replicas, before)
		return err
	})
	return serial
}

func (b *certsBench) mustCall(t *testing.T, replicas []*replica, now time.Time) {
	t.Helper()
	if err := b.call(t.Context(), replicas, now); err != nil {
		t.Fatal(err)
	}
}

func (b *certsBench) testStartAtOnce(t *testing.T) {
	b.configure(t)
	replicas := b.replicas(t, certs.Options{})
	serial := eventuallyAgreed(t, replicas, "")
	b.mustCall(t, replicas, time.Now())

	again := b.replicas(t, certs.Options{})
	if got := eventuallyAgreed(t, again, ""); got != serial {
		t.Errorf("replicas that start later serve certificate %s, want %s as the first ones", got, serial)
	}
}

func (b *certsBench) testBlanked(t *testing.T) {
	b.configure(t)
	replicas := b.replicas(t, certs.Options{})
	eventuallyAgreed(t, replicas, "")

	// As a tool does that applies its manifest again: all at once, or in part.
	for _, blanked := range [][]int{{0, 1}, {1}} {
		eventually(t, func() error {
			configuration, err := b.configuration(t.Context())
			if err != nil {
				return err
			}
			for _, i := range blanked {
				configuration.Webhooks[i].ClientConfig.CABundle = nil
			}
			return b.admin.Update(t.Context(), configuration)
		})
		eventually(t, func() error { return b.call(t.Context(), replicas, time.Now()) })
		eventuallyAgreed(t, replicas, "")
	}
}

func (b *certsBench) testDamaged(t *testing.T) {
	b.configure(t)
	replicas := b.replicas(t, certs.Options{Settle: time.Second})
	serial := eventuallyAgreed(t, replicas, "")

	b.changeSecret(t, func(s *corev1.Secret) { s.Data[corev1.TLSCertKey] = []byte("garbage") })
	serial = eventuallyAgreed(t, replicas, serial)
	b.mustCall(t, replicas, time.Now())

	b.changeSecret(t, func(s *corev1.Secret) { s.Data["ca.crt"], s.Data["ca.key"] = []byte("garbage"), nil })
	serial = eventuallyAgreed(t, replicas, serial)
	b.mustCall(t, replicas, time.Now())

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.target.Namespace, Name: b.target.Secret}}
	if err := b.admin.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	eventuallyAgreed(t, replicas, serial)
	b.mustCall(t, replicas, time.Now())
}

func (b *certsBench) testLateConfiguration(t *testing.T) {
	replicas := b.replicas(t, certs.Options{})
	eventually(t, func() error {
		for i, r := range replicas {
			if _, err := r.GetCertificate(nil); err != nil {
				return fmt.Errorf("replica %d: %w", i, err)
			}
		}
		return nil
	})
	for i, r := range replicas {
		if r.Ready(nil) == nil {
			t.Errorf("replica %d is ready, although no API server can know its CA", i)
		}
	}
	b.configure(t)
	eventuallyAgreed(t, replicas, "")
	b.mustCall(t, replicas, time.Now())
}
