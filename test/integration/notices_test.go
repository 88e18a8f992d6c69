package integration

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
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
// Deployment at the top, once however many pods there are; and neither a dry
// run nor a pod of an invented owner write any.
func TestFindingsBecomeEvents(t *testing.T) {
	b := start(t)
	ns := b.namespace(t, optedIn())
	b.app(t, ns)
	hides := func(p *corev1.Pod) {
		p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "API_KEY", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"},
		}}}
	}
	uids, references := map[string]types.UID{}, map[string]metav1.OwnerReference{}
	for _, name := range []string{"nameless", "hiding", "dry", "forged"} {
		uids[name], references[name] = b.owner(t, ns, name)
	}
	nameless := func(p *corev1.Pod) { p.Labels = nil }
	create := func(owner string, change func(*corev1.Pod), options ...client.CreateOption) {
		t.Helper()
		p := pod(ns, change)
		p.OwnerReferences = []metav1.OwnerReference{references[owner]}
		if owner == "forged" {
			p.OwnerReferences[0].UID = "00000000-0000-0000-0000-000000000000"
		}
		if err := b.client.Create(t.Context(), p, options...); err != nil {
			t.Fatal(err)
		}
	}
	create("dry", nameless, client.DryRunAll)
	create("forged", nameless)
	for range 3 {
		create("nameless", nameless)
		create("hiding", hides)
	}
	for name, want := range map[string]struct{ reason, note string }{
		"nameless": {"NoApp", api.LabelName}, "hiding": {"HiddenKey", "API_KEY"},
	} {
		deadline := time.Now().Add(30 * time.Second)
		for {
			notes := b.eventsOn(t, ns, uids[name])[want.reason]
			if len(notes) == 1 && strings.Contains(notes[0], want.note) {
				break
			}
			if len(notes) > 1 || time.Now().After(deadline) {
				t.Fatalf("Deployment %s has Events %s %q, want one with %q; all are %v",
					name, want.reason, notes, want.note, b.eventsOn(t, ns, uids[name]))
			}
			<-time.After(20 * time.Millisecond)
		}
	}
	// The Events above were asked for after these, by the same replica.
	for _, name := range []string{"dry", "forged"} {
		if all := b.eventsOn(t, ns, uids[name]); len(all) > 0 {
			t.Errorf("Deployment %s has Events: %v", name, all)
		}
	}
}
