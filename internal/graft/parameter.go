package graft

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/api"
)

// The rule: what the parameter is decides whether the pod is admitted, and
// whether it waits for its Secret.

// effect is what a parameter's state does to a pod.
type effect struct {
	deny     Reason // empty: admitted
	message  string // with deny
	optional bool   // the Secret may be missing
	awaits   bool   // the workload needs a restart once the Secret appears
	// without says that there is nothing of which literals could shadow keys; once
	// there is, the pod is replaced.
	without  bool
	warnings []Warning
}

// parameterEffect applies the table "Facts" of the design.
func (e *Engine) parameterEffect(d Decision, facts Facts) effect {
	p := facts.Parameter
	path := p.name(d)
	optional := d.Settings.SecretOptional
	switch p.State {
	case ParameterFound:
		return effect{optional: optional}
	case ParameterEmpty:
		// ESO makes no Secret of an empty object: a required reference would
		// keep an app down whose pipeline created the placeholder in advance.
		return effect{optional: true, awaits: true, warnings: []Warning{{WarnParameterEmpty, fmt.Sprintf(
			"SSM parameter %q has no keys yet, so the pod starts without its Secret: put keys there, and it is restarted", path)}}}
	case ParameterNotFound:
		return e.missing(d, facts)
	case ParameterUnchecked:
		// The cluster's own choice (keySource: none), said only where it matters:
		// by the warning about literals that could not be checked.
		return effect{optional: optional}
	case ParameterNotObject, ParameterInvalidJSON:
		message := fmt.Sprintf("SSM parameter %q %s: see envgraft parameters check %s", path, p.problem(), path)
		if e.config.InvalidParameter == InvalidWarn {
			return effect{optional: optional, warnings: []Warning{{WarnParameterInvalid, message}}}
		}
		return effect{deny: ReasonInvalidParameter, message: message}
	case ParameterAccessDenied, ParameterThrottled, ParameterUnreachable:
	}
	return effect{optional: optional, warnings: []Warning{{WarnParameterUnknown, fmt.Sprintf(
		"keys of SSM parameter %q are not known (%s): %s", path, p.because(), p.remedy())}}}
}

func (e *Engine) missing(d Decision, facts Facts) effect {
	path := facts.Parameter.name(d)
	message := fmt.Sprintf("SSM parameter %q does not exist", path)
	// From a file, and without --overwrite: no value is in a shell's history, none is
	// made up, and a parameter that somebody created since stays as it is.
	create := fmt.Sprintf("aws ssm put-parameter --type SecureString --name %s --value file://FILE", path)
	switch {
	case e.config.MissingParameter == MissingDeny:
		return effect{deny: ReasonMissingParameter, message: message + ": " + create}
	case d.Settings.SecretOptional:
		return effect{optional: true, awaits: true, warnings: []Warning{{WarnParameterMissing, fmt.Sprintf(
			"%s, so the pod starts without its Secret: create it, and the pod is restarted", message)}}}
	}
	if e.runsWithout(d, facts) {
		return effect{optional: true, awaits: true, without: true, warnings: []Warning{{WarnRunsWithout, fmt.Sprintf(
			"no parameter or ConfigMap of app %q: it runs without. To wait: label it %s; to leave it out: %s=%s",
			d.Identity.App, api.LabelApp, api.LabelInject, api.Disabled)}}}
	}
	return effect{warnings: []Warning{{WarnParameterMissing, fmt.Sprintf(
		"its SSM parameter does not exist, so the pod waits: %s", create)}}}
}

// runsWithout says that a pod is none of ours, as far as anybody can tell: every
// Helm chart labels its pods app.kubernetes.io/name, so a Namespace that opted
// in holds pods of others' charts, which would wait for a Secret forever. What
// is not known is not guessed: both the parameter and the ConfigMap were looked
// for and are not there, and nothing says that they ever were.
func (e *Engine) runsWithout(d Decision, facts Facts) bool {
	return e.config.MissingParameter == MissingAuto && d.ByName && !d.Settings.ConfigMapRequired &&
		facts.Parameter.State == ParameterNotFound && !facts.Parameter.Inferred &&
		facts.ConfigMap.State == ConfigMapNotFound && facts.NeverSeen
}

// unknownEffect refuses a pod, where the configuration has it so, whose
// literals may shadow keys that nobody could tell just now. One that has none is
// right whatever the keys are. What is not looked up at all is no reason: it
// would be none the next time either.
func (e *Engine) unknownEffect(d Decision, p Parameter, unchecked []string) effect {
	switch p.State {
	case ParameterAccessDenied, ParameterThrottled, ParameterUnreachable:
	default:
		return effect{}
	}
	if e.config.UnknownParameter != UnknownDeny || len(unchecked) == 0 || !d.Settings.Secrets {
		return effect{}
	}
	return effect{deny: ReasonUnknownParameter, message: fmt.Sprintf("%s, and unknownParameter is %q: try again later",
		uncheckedText(unchecked, parameterNamed(p.name(d)), p.because()), UnknownDeny)}
}

// remedy is what helps where the keys are not known.
func (p Parameter) remedy() string {
	switch p.State {
	case ParameterAccessDenied:
		return "allow envgraft's role ssm:GetParameter and kms:Decrypt"
	case ParameterThrottled, ParameterUnreachable:
		return "restart the pods later"
	default:
		return remedyRemove
	}
}

// remedyRemove is what helps whatever keeps the keys from being known.
const remedyRemove = "remove those that are keys"

func parameterNamed(path string) string { return fmt.Sprintf("SSM parameter %q", path) }

// problem says what is wrong with a parameter; it never holds a value.
func (p Parameter) problem() string {
	if p.Cause == "" {
		return p.stateText()
	}
	return fmt.Sprintf("%s (%s)", p.stateText(), p.Cause)
}

// because is problem for where it stands in brackets.
func (p Parameter) because() string {
	if p.Cause == "" {
		return p.stateText()
	}
	return p.stateText() + ": " + p.Cause
}

func (p Parameter) stateText() string {
	text := map[ParameterState]string{
		ParameterEmpty:        "has no keys",
		ParameterNotFound:     "does not exist",
		ParameterNotObject:    "is not a JSON object that makes a Secret",
		ParameterInvalidJSON:  "is not JSON",
		ParameterAccessDenied: "access denied",
		ParameterThrottled:    "throttled",
		ParameterUnreachable:  "SSM did not answer in time",
		ParameterUnchecked:    "not looked up",
	}[p.State]
	if text == "" {
		return string(p.State)
	}
	return text
}
