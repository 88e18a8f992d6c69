package externalsecret

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/warning"
)

// TestHealthFitsAWarning has what pods' authors are told of an ExternalSecret
// keep its fix, however long the names are.
func TestHealthFitsAWarning(t *testing.T) {
	long := strings.Repeat("a", 253)
	now := time.Now()
	id := identity.Identity{App: long[:63], Secret: long, ExternalSecret: long, Parameter: "/" + long + "/" + long}
	e := func(secret string, template Template, status Status) *ExternalSecret {
		e := &ExternalSecret{
			ObjectMeta: metav1.ObjectMeta{Namespace: long[:63], Name: long, Generation: 1},
			Spec:       Spec{Target: Target{Name: secret, Template: template}, SecretStoreRef: StoreRef{Kind: "ClusterSecretStore", Name: long}},
			Status:     status,
		}
		e.Spec.DataFrom = []DataFrom{{Extract: &Extract{Key: id.Parameter}}}
		return e
	}
	failed := func(message string) Status {
		return Status{Conditions: []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionFalse, Reason: "SecretSyncedError", Message: message}}}
	}
	for fix, tc := range map[string]struct {
		version string
		e       *ExternalSecret
	}{
		"install the External Secrets Operator":                   {"", nil},
		"kubectl describe externalsecret -n ":                     {"v1", e(long, TemplateNone, failed(strings.Repeat("words ", 200)))},
		"check that it runs, and its controller class":            {"v1", e(long, TemplateNone, Status{})},
		"rename it, or set annotation envgraft.dev/secret-name":   {"v1", e(long[1:], TemplateNone, Status{})},
		"keep it by annotation envgraft.dev/secrets=disabled, or": {"v1", e(long, TemplateGuard, failed("could not update secret"))},
	} {
		h := surroundings(tc.version).Examine(id, tc.e, now)
		line := warning.Line(h.Message)
		if !strings.Contains(line, ": "+fix) || utf8.RuneCountInString(line) > warning.MaxLength {
			t.Errorf("want at most %d characters with the fix %q, got %d: %s", warning.MaxLength, fix, utf8.RuneCountInString(line), line)
		}
	}
}

// surroundings are a cluster that serves a version of ESO, if any, and has all stores.
func surroundings(version string) Surroundings {
	return Surroundings{
		Installed: version != "", Store: StoreRef{Kind: "ClusterSecretStore", Name: "aws-ssm"}, Lacks: func(ref StoreRef) bool { return ref.Name == "none" },
	}
}

func TestExamine(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	id := identity.Identity{App: "shop", Parameter: "/popapps/shop/stage/app", Secret: "shop-secrets"}
	made := func(secret string, age time.Duration, status Status, ours bool) *ExternalSecret {
		return &ExternalSecret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "shop-external", CreationTimestamp: metav1.NewTime(now.Add(-age))},
			Spec:       Spec{Target: Target{Name: secret}},
			Status:     status,
			Applied:    Applied{Any: ours},
		}
	}
	failed := Status{Conditions: []metav1.Condition{{
		Type: ConditionReady, Status: metav1.ConditionFalse, Reason: "SecretSyncedError", Message: "could not get secret data from provider",
	}}}
	for _, test := range []struct {
		reason  string
		version string
		e       *ExternalSecret
		state   State
		event   string
		message string
		recheck time.Duration
	}{
		{"no ESO", "", nil, StateNotInstalled, ReasonNotInstalled, "install the External Secrets Operator", 0},
		{"a first pod", "v1", nil, StatePending, "", "", 0},
		{"made just now", "v1", made("shop-secrets", 20*time.Second, Status{}, true), StatePending, "", "", 40 * time.Second},
		{"nobody processes it", "v1", made("shop-secrets", time.Hour, Status{}, true), StatePending, ReasonUnattended, "has not processed", 0},
		{"synced", "v1", made("shop-secrets", time.Hour, synced("shop-secrets"), true), StateReady, "", "", 0},
		{"failing", "v1", made("shop-secrets", time.Hour, failed, true), StateFailing, ReasonFailing, "could not get secret data", 0},
		{"someone else's, for another Secret", "v1", made("other", time.Hour, synced("other"), false), StateForeign, ReasonForeign, "is not envgraft's", 0},
		{"ours, for another Secret as yet", "v1", made("other", time.Hour, synced("other"), true), StatePending, "", "still fills", 0},
	} {
		t.Run(test.reason, func(t *testing.T) {
			h := surroundings(test.version).Examine(id, test.e, now)
			if h.State != test.state || h.Reason != test.event || h.Recheck != test.recheck {
				t.Errorf("got %+v", h)
			}
			if !strings.Contains(h.Message, test.message) || test.message == "" && h.Message != "" {
				t.Errorf("message is %q, want %q in it", h.Message, test.message)
			}
		})
	}
}
