package eso

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/externalsecret"
)

// TestNeverSeen: a pod waits for its Secret unless nothing in the cluster has to
// do with its parameter.
func TestNeverSeen(t *testing.T) {
	synced := externalsecret.Status{
		Binding:     externalsecret.Binding{Name: "redis-secrets"},
		RefreshTime: metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		Conditions:  []metav1.Condition{{Type: externalsecret.ConditionReady, Status: metav1.ConditionTrue, Reason: "SecretSynced"}},
	}
	once := synced
	once.Conditions = []metav1.Condition{{Type: externalsecret.ConditionReady, Status: metav1.ConditionFalse, Reason: "SecretSyncedError"}}
	failing := externalsecret.Status{Conditions: once.Conditions}
	of := func(app string, status externalsecret.Status, record *externalsecret.Record) *externalsecret.ExternalSecret {
		return &externalsecret.ExternalSecret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "redis-external"}, App: app, Managed: app != "",
			Spec: externalsecret.Spec{Target: externalsecret.Target{Name: "redis-secrets"}}, Status: status, Record: record,
		}
	}
	const ours = "redis"
	for name, tc := range map[string]struct {
		reason  string
		version string
		e       *externalsecret.ExternalSecret
		want    bool
	}{
		"None":      {"There is nothing.", "v1", nil, true},
		"Failing":   {"Ours never got anything.", "v1", of(ours, failing, nil), true},
		"NoESO":     {"Without ESO others make Secrets, which nobody sees.", "", nil, false},
		"Synced":    {"There is a Secret.", "v1", of(ours, synced, nil), false},
		"Once":      {"There was one.", "v1", of(ours, once, nil), false},
		"Recorded":  {"The parameter had keys.", "v1", of(ours, failing, &externalsecret.Record{Version: 3}), false},
		"Foreign":   {"Somebody made an ExternalSecret for it.", "v1", of("", failing, nil), false},
		"OtherApps": {"So it is with another app's.", "v1", of("x", failing, nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&Installation{Version: tc.version}).neverSeen(tc.e, "redis"); got != tc.want {
				t.Errorf("%s got %t", tc.reason, got)
			}
		})
	}
}
