package graft

import "fmt"

// The rule: what the parameter is decides whether the pod is admitted, and
// whether it waits for its Secret.

// effect is what a parameter's state does to a pod.
type effect struct {
	deny     Reason // empty: admitted
	message  string // with deny
	optional bool   // the Secret may be missing
	awaits   bool   // the workload needs a restart once the Secret appears
	warnings []Warning
}

// parameterEffect applies the table "Facts" of the design.
func (e *Engine) parameterEffect(d Decision, p Parameter) effect {
	path, secret := d.Identity.Parameter, d.Identity.Secret
	optional := d.Settings.SecretOptional
	switch p.State {
	case ParameterFound:
		return effect{optional: optional}
	case ParameterEmpty:
		// ESO makes no Secret of an empty object: a required reference would
		// keep an app down whose pipeline created the placeholder in advance.
		return effect{optional: true, awaits: true, warnings: []Warning{{WarnParameterEmpty, fmt.Sprintf(
			"SSM parameter %q has no keys yet: the pod starts without Secret %q and is restarted once it exists", path, secret)}}}
	case ParameterNotFound:
		return e.missing(path, secret, optional)
	case ParameterUnchecked:
		// The cluster's own choice (keySource: none), said only where it matters:
		// by the warning about literals that could not be checked.
		return effect{optional: optional}
	case ParameterNotObject, ParameterInvalidJSON:
		message := fmt.Sprintf("SSM parameter %q %s: put a JSON object there, as {\"API_KEY\":\"…\"}; envgraft parameters check %s says more",
			path, p.problem(), path)
		if e.config.InvalidParameter == InvalidWarn {
			return effect{optional: optional, warnings: []Warning{{WarnParameterInvalid, message}}}
		}
		return effect{deny: ReasonInvalidParameter, message: message}
	case ParameterAccessDenied, ParameterThrottled, ParameterUnreachable:
	}
	return effect{optional: optional, warnings: []Warning{{WarnParameterUnknown, fmt.Sprintf(
		"the keys of SSM parameter %q are not known: %s", path, p.problem())}}}
}

func (e *Engine) missing(path, secret string, optional bool) effect {
	message := fmt.Sprintf("SSM parameter %q does not exist", path)
	create := fmt.Sprintf("aws ssm put-parameter --type SecureString --name %s --value '{\"KEY\":\"value\"}'", path)
	switch {
	case e.config.MissingParameter == MissingDeny:
		return effect{deny: ReasonMissingParameter, message: message + ": create it with " + create}
	case optional:
		return effect{optional: true, awaits: true, warnings: []Warning{{WarnParameterMissing, fmt.Sprintf(
			"%s: the pod starts without Secret %q and is restarted once it exists", message, secret)}}}
	}
	return effect{warnings: []Warning{{WarnParameterMissing, fmt.Sprintf(
		"%s: the pod waits for Secret %q; create the parameter with %s", message, secret, create)}}}
}

// unknownEffect refuses a pod, where the configuration has it so, whose
// literals may hide keys that nobody could tell just now. One that has none is
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
	return effect{deny: ReasonUnknownParameter, message: fmt.Sprintf("%s; it is refused until the keys are known, as unknownParameter is %q",
		uncheckedWarning(unchecked, fmt.Sprintf("SSM parameter %q: %s", d.Identity.Parameter, p.problem())).Message, UnknownDeny)}
}

// problem says what is wrong with a parameter; it never holds a value.
func (p Parameter) problem() string {
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
	switch {
	case text == "":
		return string(p.State)
	case p.Cause == "":
		return text
	}
	return fmt.Sprintf("%s (%s)", text, p.Cause)
}
