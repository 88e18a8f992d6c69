package controller

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/metrics"
)

func TestLedger(t *testing.T) {
	l := newDependents(metrics.New(prometheus.NewRegistry()))
	a, b := client.ObjectKey{Namespace: "n", Name: "a"}, client.ObjectKey{Namespace: "n", Name: "b"}
	l.record(a, externalsecret.StateReady, []string{"shared"})
	l.record(a, externalsecret.StateReady, []string{"shared"}) // counts once
	l.record(b, externalsecret.StateFailing, []string{"shared"})
	if diff := cmp.Diff([]client.ObjectKey{a, b}, l.appsUsing("n", "shared")); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	l.record(a, externalsecret.StateFailing, nil)
	l.forget(b)
	l.forget(b)
	if got := l.appsUsing("n", "shared"); len(got) != 0 {
		t.Errorf("users are %v", got)
	}
	if l.counts[externalsecret.StateFailing] != 1 || l.counts[externalsecret.StateReady] != 0 || len(l.users) != 0 {
		t.Errorf("left over: %v %v", l.counts, l.users)
	}
}
