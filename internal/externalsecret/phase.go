package externalsecret

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: a Secret that ESO did not make is not ESO's to write. With
// creationPolicy Owner, ESO takes over whatever Secret has the name and empties
// it. So a new ExternalSecret only probes: it is one that ESO can never write
// by, and tells whether there is a Secret. It becomes the owner of none but a
// Secret that was not there.

// Phase is where an ExternalSecret of ours stands in its life.
type Phase string

// The phases.
const (
	// PhaseProbe finds out whether there is a Secret, and writes none.
	PhaseProbe Phase = "Probe"
	// PhaseOwn fills the Secret.
	PhaseOwn Phase = "Own"
	// PhaseRevoked neither reads the parameter nor writes the Secret.
	PhaseRevoked Phase = "Revoked"
)

// ESO's policies, see https://external-secrets.io/latest/guides/ownership-deletion-policy/.
const (
	CreationPolicyOwner  = "Owner"
	CreationPolicyMerge  = "Merge"
	CreationPolicyOrphan = "Orphan"

	RefreshPolicyCreatedOnce = "CreatedOnce"
)

// Template says which target.template an ExternalSecret has.
type Template uint8

// The templates.
const (
	TemplateNone Template = iota
	// TemplateGuard is Guard: ESO fails on it before it writes.
	TemplateGuard
	// TemplateOther is somebody else's.
	TemplateOther
)

// guardKey and guardText are a template whose execution fails. ESO executes
// it on a copy of the Secret, and writes nothing when that fails.
const (
	guardKey  = "envgraft"
	guardText = `{{ fail "envgraft does not let this ExternalSecret write the Secret: see the Events of its workloads" }}`
)

// Guard is the target.template that TemplateGuard stands for, the API server's
// defaults included: what is applied in full can be reverted in full.
func Guard() map[string]any {
	return map[string]any{
		"engineVersion": "v2",
		"mergePolicy":   "Replace",
		"data":          map[string]any{guardKey: guardText},
	}
}

// UnmarshalJSON tells the guard from other templates, and keeps nothing of it.
func (t *Template) UnmarshalJSON(raw []byte) error {
	*t = TemplateOther
	var template struct {
		Data         map[string]string `json:"data"`
		TemplateFrom []json.RawMessage `json:"templateFrom"`
	}
	if err := json.Unmarshal(raw, &template); err != nil {
		return nil //nolint:nilerr // a form that is not known is surely another
	}
	if len(template.TemplateFrom) == 0 && maps.Equal(template.Data, map[string]string{guardKey: guardText}) {
		*t = TemplateGuard
	}
	return nil
}

// Phase reads the phase from what was applied.
func (e *ExternalSecret) Phase() Phase {
	if e.Spec.Target.Template != TemplateGuard {
		return PhaseOwn
	}
	if _, revoked := e.Annotations[api.AnnotationRevoked]; revoked {
		return PhaseRevoked
	}
	return PhaseProbe
}

// NextPhase is the phase that is due for an ExternalSecret that is to fill a
// Secret; e is nil where it is to be made.
func (e *ExternalSecret) NextPhase(secret string) Phase {
	if e == nil || e.SecretName() != secret {
		return PhaseProbe
	}
	switch e.Phase() {
	case PhaseRevoked:
		if e.Spec.Target.CreationPolicy == CreationPolicyOrphan {
			return PhaseOwn // it had filled the Secret
		}
		return PhaseProbe
	case PhaseProbe:
		if e.says("SecretMissing") {
			return PhaseOwn
		}
		return PhaseProbe
	case PhaseOwn:
		// ESO deleted the Secret with the parameter's keys. One that comes next
		// is a person's, and would be deleted as well.
		if e.says("SecretDeleted") {
			return PhaseProbe
		}
	}
	return PhaseOwn
}

// Occupied says that ESO found a Secret that it did not make for us, and that
// the parameter has keys. ESO says so by failing on the guard.
func (e *ExternalSecret) Occupied() bool {
	ready := e.Ready()
	return e.Phase() == PhaseProbe && ready != nil && ready.Status == metav1.ConditionFalse &&
		strings.Contains(strings.ToLower(ready.Message), "update secret")
}

// Filled says that ESO filled the Secret by the spec as it is.
func (e *ExternalSecret) Filled() bool {
	return e.Phase() == PhaseOwn && e.SecretExists() && e.observed()
}

// WasFilled says that ESO filled the Secret at some time, by whatever spec.
func (e *ExternalSecret) WasFilled() bool {
	return e.Phase() == PhaseOwn && e.Status.Binding.Name == e.SecretName() && !e.Status.RefreshTime.IsZero()
}

// says that ESO gave a reason for being Ready, of the spec as it is.
func (e *ExternalSecret) says(reason string) bool {
	ready := e.Ready()
	return ready != nil && ready.Status == metav1.ConditionTrue && ready.Reason == reason && e.observed()
}

// observed says that ESO's account is of the spec as it is: the status of a
// former target must not be taken for this one's. ESO writes the generation
// in front of a hash of the annotations.
func (e *ExternalSecret) observed() bool {
	generation, _, _ := strings.Cut(e.Status.SyncedResourceVersion, "-")
	return generation == strconv.FormatInt(e.Generation, 10)
}
