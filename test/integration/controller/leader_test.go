package controller

import (
	"errors"
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/leader"
	"github.com/envgraft/envgraft/test/rights"
)

// TestLeaseLost has another take the lease while a replica leads: the replica
// goes on answering its webhook, its controller makes nothing any more, and
// leads again when the lease is free.
func TestLeaseLost(t *testing.T) {
	ready(t)
	ns := namespace(t, optedIn())
	r := start(t, controller.Options{Lease: &leader.Lease{
		Namespace: rights.Namespace, Name: api.Lease, Duration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond,
	}})
	_, p := deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", nil)
	if err := leads(1); err != nil {
		t.Fatal(err)
	}

	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: rights.Namespace, Name: api.Lease}}
	defer func() { remove(t, lease) }()
	now := metav1.NowMicro().UTC().Format("2006-01-02T15:04:05.000000Z")
	patch(t, lease, `{"spec":{"holderIdentity":"thief","leaseDurationSeconds":3600,"acquireTime":"`+now+`","renewTime":"`+now+`"}}`)
	eventually(t, "the end of its term", func() error { return leads(0) })
	idle(t, ns, "late", "late", marks{})
	esoSays(t, e, "False", "SecretSyncedError", time.Now(), "")
	r.waitForWarning(t, p, "SecretSyncedError") // the replica itself is as it was
	if _, err := getExternalSecret(t, ns, "late-external"); err == nil {
		t.Error("the controller went on without the lease")
	}

	patch(t, lease, `{"spec":{"holderIdentity":""}}`)
	waitFor(t, ns, "late-external", ownedBy("Deployment/late"))
}

// leads compares with what the metric says that docs/metrics.md names.
func leads(want float64) error {
	families, err := ctrlmetrics.Registry.Gather()
	if err != nil {
		return err
	}
	for _, family := range families {
		if family.GetName() != "leader_election_master_status" {
			continue
		}
		for _, m := range family.GetMetric() {
			if got := m.GetGauge().GetValue(); got != want {
				return fmt.Errorf("the replica's status as a leader is %v, want %v", got, want)
			}
		}
		return nil
	}
	return errors.New("there is no metric leader_election_master_status")
}
