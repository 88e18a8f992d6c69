package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/notices"
	"github.com/envgraft/envgraft/test/rights"
)

// owner makes a Deployment and its ReplicaSet, as the controllers do that do
// not run here, and returns the Deployment's UID and how the pods name theirs.
func (b *bench) owner(t *testing.T, namespace, name string) (types.UID, metav1.OwnerReference) {
	t.Helper()
	controller := true
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
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: name, UID: d.UID, Controller: &controller}},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: template},
	}
	b.create(t, rs)
	return d.UID, metav1.OwnerReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: rs.Name, UID: rs.UID, Controller: &controller}
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
		"nameless": {Status: graft.StatusSkipped, Warnings: []graft.Warning{{Reason: graft.WarnNoApp, Message: "no app is named"}}},
		"hiding":   {Status: graft.StatusInjected, Warnings: []graft.Warning{{Reason: graft.WarnHiddenKey, Message: "API_KEY is hidden"}}},
		"unknown":  {Status: graft.StatusInjected, Warnings: []graft.Warning{{Reason: graft.WarnUncheckedLiterals, Message: "keys are not known"}}},
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

// notices runs what every replica runs beside its webhook.
func (b *bench) notices(t *testing.T) *notices.Notices {
	t.Helper()
	user, err := b.env.AddUser(rights.User(), nil) // its rights are granted already
	if err != nil {
		t.Fatal(err)
	}
	m, err := ctrl.NewManager(user.Config(), manager.Options{Metrics: metricsserver.Options{BindAddress: "0"}, Logger: logr.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	n := notices.New(m.GetAPIReader(), m.GetEventRecorder("envgraft"), metrics.New(prometheus.NewRegistry()), logr.Discard())
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
