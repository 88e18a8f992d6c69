package controller

import (
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// TestListsWait has a new leader list 2,000 apps, and a new app come meanwhile: it is
// the first to be reconciled.
func TestListsWait(t *testing.T) {
	queue := priorityqueue.New[reconcile.Request]("test")
	defer queue.ShutDown()
	s := &source{queue: queue}
	for n := range 2000 {
		s.changed(client.ObjectKey{Namespace: "shops", Name: fmt.Sprintf("listed-%d", n)})
	}
	s.listed.Store(true)
	s.changed(client.ObjectKey{Namespace: "shops", Name: "new"})
	if first, _ := queue.Get(); first.Name != "new" {
		t.Errorf("the first is %q, want the new app", first.Name)
	}
	if next, _ := queue.Get(); next.Name != "listed-0" {
		t.Errorf("then comes %q, want what was listed first", next.Name)
	}
}
