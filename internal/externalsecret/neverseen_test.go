package externalsecret

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestNeverSeen: a pod waits for its Secret unless nothing in the cluster has to
// do with its parameter.
func TestNeverSeen(t *testing.T) {
	synced := Status{
		Binding:     Binding{Name: "redis-secrets"},
		RefreshTime: metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		Conditions:  []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionTrue, Reason: "SecretSynced"}},
	}
	once := synced
	once.Conditions = []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionFalse, Reason: "SecretSyncedError"}}
	failing := Status{Conditions: once.Conditions}
	of := func(app string, status Status, record *Record) *ExternalSecret {
		return &ExternalSecret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "redis-external"}, App: app, Managed: app != "",
			Spec: Spec{Target: Target{Name: "redis-secrets"}}, Status: status, Record: record,
		}
	}
	const ours = "redis"
	for name, tc := range map[string]struct {
		reason string
		e      *ExternalSecret
		want   bool
	}{
		"None":      {"There is nothing.", nil, true},
		"Failing":   {"Ours never got anything.", of(ours, failing, nil), true},
		"Synced":    {"There is a Secret.", of(ours, synced, nil), false},
		"Once":      {"There was one.", of(ours, once, nil), false},
		"Recorded":  {"The parameter had keys.", of(ours, failing, &Record{Version: 3}), false},
		"Foreign":   {"Somebody made an ExternalSecret for it.", of("", failing, nil), false},
		"OtherApps": {"So it is with another app's.", of("x", failing, nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NeverSeen(tc.e, "redis"); got != tc.want {
				t.Errorf("%s got %t", tc.reason, got)
			}
		})
	}
}
