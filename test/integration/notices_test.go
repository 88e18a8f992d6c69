package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/envgraft/envgraft/internal/admissionevents"
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/test/canary"
	"github.com/envgraft/envgraft/test/rights"
	"github.com/envgraft/envgraft/test/ssmfake"
)

// owner makes a Deployment and its ReplicaSet, as the controllers do that do
// not run here, and returns the Deployment's UID and how the pods name their owner.
func (b *bench) owner(t *testing.T, namespace, name string) (types.UID, metav1.OwnerReference) {
	t.Helper()
	isController := true
	labels := map[string]string{"instance": name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "x"}}},
	}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: appsv1.DeploymentSpec{Selector: selector, Template: template},
	}
	b.create(t, d)
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name + "-1",
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: name, UID: d.UID, Controller: &isController}},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: template},
	}
	b.create(t, rs)
	return d.UID, metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: rs.Name, UID: rs.UID, Controller: &isController}
}

// eventsOn returns the notes of Events on an object, by reason.
func (b *bench) eventsOn(t *testing.T, namespace string, uid types.UID) map[string][]string {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := b.client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	notes := map[string][]string{}
	for _, e := range list.Items {
		if e.Regarding.UID == uid {
			notes[e.Reason] = append(notes[e.Reason], e.Note)
		}
	}
	return notes
}

// TestFindingsBecomeEvents has what a pod's author does not see stand on the
// Deployment at the top, once however many pods there are, by the rights that
// install.yaml grants; and nothing stand there for a pod of an invented owner.
// That dry runs tell nobody is webhook's to test.
func TestFindingsBecomeEvents(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, nil)
	n := b.notices(t)
	reports := map[string]graft.Report{
		"nameless":  {Status: graft.StatusSkipped, Warnings: []graft.Warning{{Reason: graft.WarnNoApp, Message: "no app is named"}}},
		"shadowing": {Status: graft.StatusInjected, Warnings: []graft.Warning{{Reason: graft.WarnShadowedKey, Message: "API_KEY is shadowed"}}},
		"unknown":   {Status: graft.StatusInjected, Warnings: []graft.Warning{{Reason: graft.WarnUncheckedLiterals, Message: "keys are not known"}}},
	}
	forgedUID, forged := b.owner(t, ns, "forged")
	forged.UID = "00000000-0000-0000-0000-000000000000"
	n.Notify(ns, forged, reports["nameless"])
	for name, report := range reports {
		uid, owner := b.owner(t, ns, name)
		for range 3 {
			n.Notify(ns, owner, report)
		}
		want := report.Warnings[0]
		deadline := time.Now().Add(30 * time.Second)
		for {
			all := b.eventsOn(t, ns, uid)
			if notes := all[string(want.Reason)]; len(all) == 1 && len(notes) == 1 && strings.Contains(notes[0], want.Message) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("Deployment %s has Events %v, want one %s with %q", name, all, want.Reason, want.Message)
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	// The Events above were asked for after this one, and are written in turn.
	if all := b.eventsOn(t, ns, forgedUID); len(all) > 0 {
		t.Errorf("a pod of an invented owner has Events written: %v", all)
	}
}

// TestUnknownKeysBecomeAnEvent has SSM refuse to answer while a controller
// makes pods: kubectl prints the warning to nobody, so it must stand on the
// Deployment, once for all pods of all its ReplicaSets, and say what to do.
func TestUnknownKeysBecomeAnEvent(t *testing.T) {
	s := &shop{bench: start(t), t: t}
	r := s.secondReplica(t)
	s.changeWebhooks(func(c *admissionregistrationv1.WebhookClientConfig) {
		url := r.webhooks + (*c.URL)[strings.Index(*c.URL, "/mutate"):]
		c.URL = &url
	})
	ns := s.namespace(t, map[string]string{api.LabelInject: api.Enabled})
	parameter := "/" + ns + "/shop/stage/app"
	s.ssm.Put(parameter, canary.Object("notices", "API_KEY"))
	s.ssm.Inject(ssmfake.Fault{Kind: ssmfake.Deny, Path: parameter})
	t.Cleanup(s.ssm.ClearFaults)
	uid, first := s.owner(t, ns, "shop")
	second := s.revision(t, ns, "shop-2", first)

	// The API server takes a moment to call the replica that was just started.
	reason, pods := string(graft.WarnUncheckedLiterals), 0
	eventAfter := func(uid types.UID, owner metav1.OwnerReference, app string) string {
		for deadline := time.Now().Add(30 * time.Second); ; {
			if pods++; !s.tryCreate(t, podOf(ns, fmt.Sprintf("shop-%d", pods), app, owner)) {
				pods--
			}
			all := s.eventsOn(t, ns, uid)
			if notes := all[reason]; len(notes) > 0 {
				return notes[0]
			}
			if time.Now().After(deadline) {
				t.Fatalf("after %d pods Deployment %s has the Events %v; pods: %s", pods, app, all, s.podsOf(t, ns))
			}
			<-time.After(50 * time.Millisecond)
		}
	}
	note := eventAfter(uid, first, "shop")
	for _, text := range []string{"API_KEY", parameter, "access denied", "allow envgraft's role ssm:GetParameter and kms:Decrypt"} {
		if !strings.Contains(note, text) {
			t.Errorf("the Event says %q, want %q in it", note, text)
		}
	}
	s.create(t, podOf(ns, "shop-again", "shop", first))
	s.create(t, podOf(ns, "shop-second", "shop", second))

	// A replica writes its Events in turn: where that of another Deployment
	// stands, all of the first one's do.
	other := "/" + ns + "/other/stage/app"
	s.ssm.Inject(ssmfake.Fault{Kind: ssmfake.Deny, Path: other})
	otherUID, otherOwner := s.owner(t, ns, "other")
	eventAfter(otherUID, otherOwner, "other")
	if notes := s.eventsOn(t, ns, uid)[reason]; len(notes) != 1 {
		t.Errorf("%d Events for the pods of one Deployment, want one: %q", len(notes), notes)
	}
	if told := canary.Find(fmt.Sprint(s.eventsOn(t, ns, uid), s.eventsOn(t, ns, otherUID))); len(told) > 0 {
		t.Errorf("Events tell values: %q", told)
	}
}

// podOf is a pod that a controller made, with a literal that may shadow a key.
func podOf(namespace, name, app string, owner metav1.OwnerReference) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{api.LabelName: app}, OwnerReferences: []metav1.OwnerReference{owner},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "x", Env: []corev1.EnvVar{{Name: "API_KEY", Value: canary.Value("literal")}},
		}}},
	}
}

// tryCreate is create for as long as a webhook may not be up yet.
func (b *bench) tryCreate(t *testing.T, object client.Object) bool {
	t.Helper()
	err := b.client.Create(t.Context(), object)
	if err != nil && !apierrors.IsInternalError(err) {
		t.Fatal(err)
	}
	return err == nil
}

// podsOf says what became of the pods.
func (b *bench) podsOf(t *testing.T, namespace string) string {
	t.Helper()
	list := &corev1.PodList{}
	if err := b.client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range list.Items {
		all = append(all, fmt.Sprintf("%s %v", list.Items[i].Name, list.Items[i].Annotations))
	}
	return strings.Join(all, "; ")
}

// revision makes another ReplicaSet of the Deployment that has the first.
func (b *bench) revision(t *testing.T, namespace, name string, first metav1.OwnerReference) metav1.OwnerReference {
	t.Helper()
	rs := &appsv1.ReplicaSet{}
	if err := b.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: first.Name}, rs); err != nil {
		t.Fatal(err)
	}
	next := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: rs.OwnerReferences}, Spec: rs.Spec,
	}
	b.create(t, next)
	first.Name, first.UID = next.Name, next.UID
	return first
}

// notices runs what every replica runs beside its webhook.
func (b *bench) notices(t *testing.T) *admissionevents.Notices {
	t.Helper()
	user, err := b.env.AddUser(rights.User(), nil) // its rights are granted already
	if err != nil {
		t.Fatal(err)
	}
	m, err := ctrl.NewManager(user.Config(), manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	n := admissionevents.New(m.GetAPIReader(), m.GetEventRecorder("envgraft"), metrics.New(prometheus.NewRegistry()), logr.Discard())
	if err := m.Add(n); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- m.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return n
}
