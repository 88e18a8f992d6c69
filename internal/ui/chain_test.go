package ui

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/externalsecret"
)

// TestExternalSecretNode holds the picture's words for each state of an ExternalSecret.
func TestExternalSecretNode(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	refreshed := metav1.NewTime(now.Add(-time.Hour))
	deleted := metav1.NewTime(now.Add(-time.Minute))
	synced := func(change func(*externalsecret.ExternalSecret)) *clusterview.ExternalSecret {
		e := &clusterview.ExternalSecret{}
		e.Spec.Target.Name, e.Status.Binding.Name, e.Status.RefreshTime = "shop-secrets", "shop-secrets", refreshed
		e.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "SecretSynced"}}
		change(e)
		return e
	}
	for name, tc := range map[string]struct {
		reason string
		state  clusterview.State
		e      *clusterview.ExternalSecret
		want   string
	}{
		"NotSeen":  {"the user may not list them", clusterview.Forbidden, nil, "not seen"},
		"Missing":  {"nobody made it yet", clusterview.Found, nil, "does not exist"},
		"Synced":   {"all is well", clusterview.Found, synced(func(*externalsecret.ExternalSecret) {}), "last synced 2026-03-01T11:00:00Z"},
		"Never":    {"ESO did not read it yet", clusterview.Found, synced(func(e *externalsecret.ExternalSecret) { e.Status = externalsecret.Status{} }), "never synced"},
		"Deleting": {"a finalizer of ESO keeps it", clusterview.Found, synced(func(e *externalsecret.ExternalSecret) { e.DeletionTimestamp = &deleted }), "being deleted since 2026-03-01T11:59:00Z"},
		"NoAnswer": {
			"ESO was asked for a refresh two minutes ago, and is not there", clusterview.Found,
			synced(func(e *externalsecret.ExternalSecret) {
				e.Record = &externalsecret.Record{Version: 2, AsOf: now.Add(-2 * time.Minute), Keys: []string{"A"}}
			}),
			"last synced 2026-03-01T11:00:00Z, no answer since 2026-03-01T11:58:00Z",
		},
		"Failing": {
			"ESO's last attempt failed", clusterview.Found,
			synced(func(e *externalsecret.ExternalSecret) { e.Status.Conditions[0].Status = metav1.ConditionFalse }),
			"last synced 2026-03-01T11:00:00Z, failing now",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &clusterview.App{Now: now, ExternalSecret: tc.e}
			app.ExternalSecrets.State = tc.state
			if got := externalSecret(app); got != tc.want {
				t.Errorf("%s: %q, want %q", tc.reason, got, tc.want)
			}
		})
	}
}
