package externalsecret

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
)

// said is ESO's account of a spec of a generation.
func said(generation, status, reason, message string) Status {
	return Status{
		SyncedResourceVersion: generation + "-hash",
		Conditions:            []metav1.Condition{{Type: ConditionReady, Status: metav1.ConditionStatus(status), Reason: reason, Message: message}},
	}
}

func TestNextPhase(t *testing.T) {
	probe := Target{Name: "shop-secrets", CreationPolicy: CreationPolicyMerge, Template: TemplateGuard}
	own := Target{Name: "shop-secrets", CreationPolicy: CreationPolicyOwner}
	orphan := Target{Name: "shop-secrets", CreationPolicy: CreationPolicyOrphan, Template: TemplateGuard}
	for _, test := range []struct {
		reason  string
		target  Target
		status  Status
		revoked bool
		secret  string
		want    Phase
	}{
		{"nothing said: a Secret may be there", probe, Status{}, false, "shop-secrets", PhaseProbe},
		{"there is no Secret, and the parameter has keys", probe, said("2", "True", "SecretMissing", ""), false, "shop-secrets", PhaseOwn},
		{"there was no Secret of the former name", probe, said("1", "True", "SecretMissing", ""), false, "shop-secrets", PhaseProbe},
		{"there is a Secret", probe, said("2", "False", "SecretSyncedError", "could not update secret"), false, "shop-secrets", PhaseProbe},
		{"the parameter has no keys: a person may make the Secret meanwhile", probe, said("2", "True", "SecretSynced", "secret retained"), false, "shop-secrets", PhaseProbe},
		{"the parameter is missing", probe, said("1", "False", "SecretSyncedError", "could not get secret data from provider"), false, "shop-secrets", PhaseProbe},
		{"ESO owns it", own, said("2", "True", "SecretSynced", ""), false, "shop-secrets", PhaseOwn},
		{"a failed refresh takes nothing away", own, said("1", "False", "SecretSyncedError", ""), false, "shop-secrets", PhaseOwn},
		{"ESO deleted it: the next one is a person's", own, said("2", "True", "SecretDeleted", ""), false, "shop-secrets", PhaseProbe},
		{"ESO deleted it by a former spec", own, said("1", "True", "SecretDeleted", ""), false, "shop-secrets", PhaseOwn},
		{"another Secret may be somebody's", own, said("2", "True", "SecretSynced", ""), false, "other", PhaseProbe},
		{"set back, it goes on with the Secret that it filled", orphan, said("1", "True", "SecretSynced", ""), true, "shop-secrets", PhaseOwn},
		{"set back, it goes on probing", probe, said("2", "True", "SecretMissing", ""), true, "shop-secrets", PhaseProbe},
	} {
		t.Run(test.reason, func(t *testing.T) {
			e := &ExternalSecret{ObjectMeta: metav1.ObjectMeta{Generation: 2}, Spec: Spec{Target: test.target}, Status: test.status}
			if test.revoked {
				e.Annotations = map[string]string{api.AnnotationRevoked: "why"}
			}
			if got := e.NextPhase(test.secret); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	var none *ExternalSecret
	if got := none.NextPhase("shop-secrets"); got != PhaseProbe {
		t.Errorf("a new one is made as %s", got)
	}
}

func TestOccupied(t *testing.T) {
	for _, test := range []struct {
		reason   string
		template Template
		status   Status
		want     bool
	}{
		{"ESO failed on the guard", TemplateGuard, said("", "False", "SecretSyncedError", "could not update secret"), true},
		{"as earlier versions wrote it", TemplateGuard, said("", "False", "SecretSyncedError", "could not update Secret"), true},
		{"ESO could not read the parameter", TemplateGuard, said("", "False", "SecretSyncedError", "could not get secret data from provider"), false},
		{"a Secret of ESO's own that it cannot write", TemplateNone, said("", "False", "SecretSyncedError", "could not update secret"), false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			e := &ExternalSecret{Spec: Spec{Target: Target{Name: "s", CreationPolicy: CreationPolicyMerge, Template: test.template}}, Status: test.status}
			if got := e.Occupied(); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

func TestTemplate(t *testing.T) {
	guard, err := json.Marshal(Guard())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reason, raw string
		want        Template
	}{
		{"what is applied", string(guard), TemplateGuard},
		{"a template that ESO gets through", `{"data":{"KEY":"{{ .KEY }}"}}`, TemplateOther},
		{"the guard with more keys beside it", `{"data":{"envgraft":"x","KEY":"y"}}`, TemplateOther},
		{"another form", `{"data":[]}`, TemplateOther},
	} {
		var target Target
		if err := json.Unmarshal([]byte(`{"template":`+test.raw+`}`), &target); err != nil || target.Template != test.want {
			t.Errorf("%s: got %d, %v", test.reason, target.Template, err)
		}
	}
}
