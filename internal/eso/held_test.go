package eso

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/metrics"
)

// TestHeld counts what a user writes beside what envgraft made, with its bytes, and
// nothing of what is gone.
func TestHeld(t *testing.T) {
	got := map[metrics.Held]amount{}
	h := newHeld(func(resource metrics.Held, objects, bytes int) { got[resource] = amount{objects, bytes} })
	told := 0
	tell := func(any) { told++ }
	handler := h.handler(toolscache.ResourceEventHandlerFuncs{AddFunc: tell, DeleteFunc: tell, UpdateFunc: func(any, any) { told++ }})

	ours, foreign := &externalsecret.ExternalSecret{Managed: true}, &externalsecret.ExternalSecret{}
	long := foreign.DeepCopyObject().(*externalsecret.ExternalSecret)
	for n := range 100 {
		long.Spec.Data = append(long.Spec.Data, externalsecret.Data{SecretKey: fmt.Sprint("KEY", n), RemoteRef: externalsecret.RemoteRef{Key: strings.Repeat("k", 1000)}})
	}
	handler.OnAdd(ours, true)
	handler.OnAdd(foreign, false)
	handler.OnAdd(&clusterSecretStore{}, false)
	small := got[metrics.HeldForeignExternalSecrets].bytes
	handler.OnUpdate(foreign, long)
	if bytes := got[metrics.HeldForeignExternalSecrets].bytes; bytes < small+100*1000 || bytes > small+120*1000 {
		t.Errorf("100 entries of 1,000 bytes made %d of %d bytes", bytes, small)
	}
	counts := func() map[metrics.Held]int {
		all := map[metrics.Held]int{}
		for resource, amount := range got {
			all[resource] = amount.objects
		}
		return all
	}
	want := map[metrics.Held]int{metrics.HeldExternalSecrets: 1, metrics.HeldForeignExternalSecrets: 1, metrics.HeldStores: 1}
	if diff := cmp.Diff(want, counts()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	handler.OnDelete(ours)
	handler.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: long})
	handler.OnDelete(&clusterSecretStore{})
	for resource, amount := range got {
		if amount.objects != 0 || amount.bytes != 0 {
			t.Errorf("%d %s in %d bytes are held of what is gone", amount.objects, resource, amount.bytes)
		}
	}
	if told != 7 {
		t.Errorf("the next handler was told of %d changes, want 7", told)
	}
}
