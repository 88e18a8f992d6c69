package eso

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hanging is an API server that takes questions and does not answer.
type hanging struct{}

func (hanging) ServerResourcesForGroupVersionWithContext(ctx context.Context, _ string) (*metav1.APIResourceList, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestDiscoveryIsBounded has nobody wait without end to learn whether ESO is there.
func TestDiscoveryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := discover(t.Context(), hanging{})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(began); took != discoveryTimeout {
			t.Errorf("it took %s of the bubble's clock, want %s", took, discoveryTimeout)
		}
	})
}
