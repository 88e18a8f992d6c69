package integration

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/facts"
)

// TestClaimant finds who claims a namespace's name as its system by an index of
// a real informer: without one, nobody would be found and no error be seen.
func TestClaimant(t *testing.T) {
	b := start(t)
	for name, labels := range map[string]map[string]string{"claimed": nil, "claimed-blue": {api.LabelSystem: "claimed"}} {
		if err := b.client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}); err != nil {
			t.Fatal(err)
		}
	}
	informers, err := cache.New(b.env.Config, facts.NamespaceCache())
	if err != nil {
		t.Fatal(err)
	}
	namespaces, err := facts.NewNamespaces(t.Context(), informers, b.client)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() { _ = informers.Start(ctx) }()
	if !informers.WaitForCacheSync(ctx) {
		t.Fatal("the informer of Namespaces has not synced within a minute")
	}
	ns, err := namespaces.Namespace(ctx, "claimed")
	if err != nil || ns.Claimant != "claimed-blue" {
		t.Errorf("namespace %+v, error %v: want it claimed by claimed-blue", ns, err)
	}
}
