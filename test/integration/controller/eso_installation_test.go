package controller

import (
	"fmt"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/controller"
	"github.com/envgraft/envgraft/internal/leader"
	"github.com/envgraft/envgraft/test/rights"
)

// TestLateCRDs starts without ESO and ends with it, in both of its versions,
// with one controller that is never restarted.
func TestLateCRDs(t *testing.T) {
	installESO(t, "")
	r := startDefault(t)
	ns := namespace(t, optedIn())
	d, p := deployment(t, ns, "web", "shop", marks{})

	note := waitForEvent(t, d, "ExternalSecretsOperatorMissing")
	for _, part := range []string{"shop-secrets", "install the External Secrets Operator"} {
		if !strings.Contains(note, part) {
			t.Errorf("the Event lacks %q: %s", part, note)
		}
	}
	if state := r.State(t.Context(), ns, r.decision(t, p)); state.Problem != note || !question(state).FreshAfter.IsZero() {
		t.Errorf("the next pods get %+v", state)
	}
	r.waitForState(t, "NotInstalled")

	for _, version := range []string{"v1beta1", "v1"} {
		installESO(t, version)
		e := newExternalSecret(ns, "shop-external", version)
		eventually(t, "ExternalSecret of "+version, func() error {
			return kube.Get(t.Context(), client.ObjectKeyFromObject(e), e)
		})
		if got := field(e, "spec.target.name"); got != "shop-secrets" {
			t.Errorf("%s: its target is %q", version, got)
		}
		if note := waitForEvent(t, d, "SecretStoreMissing"); !strings.Contains(note, `ClusterSecretStore "aws-ssm" does not exist`) {
			t.Errorf("the Event says %q", note)
		}
		r.waitForWarning(t, p, "aws-ssm")
		create(t, newStore(version))
		r.waitForState(t, "Pending")
		r.waitForWarning(t, p, "")

		esoSays(t, e, "True", "SecretSynced", time.Now(), "shop-secrets")
		r.waitForState(t, "Ready")
		esoSays(t, e, "False", "SecretSyncedError", time.Now(), "shop-secrets")
		r.waitForState(t, "Failing")
		r.waitForWarning(t, p, "SecretSyncedError: as the test says")
		if note := waitForEvent(t, d, "ExternalSecretNotSynced"); !strings.Contains(note, "kubectl describe externalsecret -n "+ns+" shop-external") {
			t.Errorf("the Event says %q", note)
		}
	}
}

// TestFollowers has a replica that does not lead answer its webhook.
func TestFollowers(t *testing.T) {
	ready(t)
	startDefault(t)
	ns := namespace(t, optedIn())
	_, p := deployment(t, ns, "web", "shop", marks{})
	e := waitFor(t, ns, "shop-external", nil)

	lease, release := takenLease(t)
	defer release()
	follower := start(t, controller.Options{Lease: lease})
	at := time.Now().Truncate(time.Second)
	esoSays(t, e, "False", "SecretSyncedError", at, "")
	follower.waitForWarning(t, p, "SecretSyncedError")
	if refreshed := question(follower.State(t.Context(), ns, follower.decision(t, p))).FreshAfter; !refreshed.Equal(at.Add(time.Second)) {
		t.Errorf("FreshAfter is %s, want the second after %s: keys of an earlier one may be older than the Secret", refreshed, at)
	}
	for _, call := range follower.calls.to("") {
		if strings.HasPrefix(call, "PATCH") || strings.HasSuffix(call, "/pods") {
			t.Errorf("a replica that does not lead called %s", call)
		}
	}
}

// takenLease is a lease that another replica holds until it is released.
func takenLease(t *testing.T) (lease *leader.Lease, release func()) {
	t.Helper()
	holder, seconds, now := "another", int32(3600), metav1.NowMicro()
	taken := create(t, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: rights.Namespace, Name: api.Lease},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	})
	return &leader.Lease{Namespace: rights.Namespace, Name: api.Lease}, func() { remove(t, taken) }
}

func (r *replica) waitForWarning(t *testing.T, p client.Object, part string) {
	t.Helper()
	ns := p.GetNamespace()
	d := r.decision(t, p)
	eventually(t, "warning of the next pods", func() error {
		warning := r.State(t.Context(), ns, d).Problem
		if part == "" && warning != "" || !strings.Contains(warning, part) {
			return fmt.Errorf("it is %q, want %q", warning, part)
		}
		return nil
	})
}

// waitForState waits for the one app to be in a state, as the metric has it.
func (r *replica) waitForState(t *testing.T, state string) {
	t.Helper()
	r.waitForGauge(t, "envgraft_external_secrets", state, 1)
}

// waitForGauge waits for a gauge that has one label.
func (r *replica) waitForGauge(t *testing.T, name, label string, want float64) {
	t.Helper()
	eventually(t, name+" "+label, func() error {
		families, err := r.registry.Gather()
		if err != nil {
			return err
		}
		for _, family := range families {
			if family.GetName() != name {
				continue
			}
			for _, m := range family.GetMetric() {
				if len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label && m.GetGauge().GetValue() == want {
					return nil
				}
			}
			return fmt.Errorf("got %v", family)
		}
		return fmt.Errorf("no metric %s", name)
	})
}
