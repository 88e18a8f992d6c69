package controller

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/envgraft/envgraft/internal/eso"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// TestApply looks at how the API server is asked; what it makes of that, the
// integration tests show.
func TestApply(t *testing.T) {
	existing := &externalsecret.ExternalSecret{ObjectMeta: metav1.ObjectMeta{UID: "es", ResourceVersion: "1"}}
	for _, test := range []struct {
		reason   string
		existing *externalsecret.ExternalSecret
		force    bool
	}{
		{"a new one gives way to one that somebody makes this moment", nil, false},
		{"a field of ours that a person took is taken back", existing, true},
	} {
		t.Run(test.reason, func(t *testing.T) {
			var calls []client.ApplyOptions
			recording := interceptor.NewClient(fake.NewClientBuilder().Build(), interceptor.Funcs{
				Apply: func(_ context.Context, _ client.WithWatch, _ runtime.ApplyConfiguration, options ...client.ApplyOption) error {
					var o client.ApplyOptions
					o.ApplyOptions(options)
					calls = append(calls, o)
					return nil
				},
			})
			p := &pass{
				reconciler:   &reconciler{client: recording, applied: utilcache.NewLRUExpireCache(10), clock: clock.RealClock{}},
				installation: &eso.Installation{Version: "v1"},
			}
			for range 2 { // the second comes before the informer saw the first
				if _, err := p.apply(t.Context(), want(), test.existing); err != nil {
					t.Fatal(err)
				}
			}
			if len(calls) != 1 {
				t.Fatalf("there were %d calls, want 1", len(calls))
			}
			if force := calls[0].Force != nil && *calls[0].Force; force != test.force || calls[0].FieldManager != "envgraft" {
				t.Errorf("got %+v", calls[0])
			}
			if p.wait <= 0 {
				t.Error("nothing looks again once the informer has caught up")
			}
		})
	}
}
