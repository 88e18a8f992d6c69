package graft

import (
	"cmp"
	"time"
)

// ParameterState is what is known of an SSM parameter. It is also the value
// of a metric label, so the set is closed.
type ParameterState string

// The states of a parameter.
const (
	// ParameterFound is a JSON object with keys.
	ParameterFound ParameterState = "Found"
	// ParameterEmpty is a JSON object without keys: the placeholder that a
	// pipeline creates. ESO makes no Secret of it.
	ParameterEmpty ParameterState = "Empty"
	// ParameterNotFound does not exist in SSM.
	ParameterNotFound ParameterState = "NotFound"
	// ParameterNotObject is JSON, but not an object.
	ParameterNotObject ParameterState = "NotObject"
	// ParameterInvalidJSON is not JSON.
	ParameterInvalidJSON ParameterState = "InvalidJSON"
	// ParameterAccessDenied is one that IAM or KMS keeps from the webhook.
	ParameterAccessDenied ParameterState = "AccessDenied"
	// ParameterThrottled is one that SSM, or the webhook's own budget of calls,
	// would not answer for now.
	ParameterThrottled ParameterState = "Throttled"
	// ParameterUnreachable is one whose answer did not come in time.
	ParameterUnreachable ParameterState = "Unreachable"
	// ParameterUnchecked is one that nobody looked at.
	ParameterUnchecked ParameterState = "Unchecked"
)

// Parameter is what is known of an SSM parameter, its values never.
type Parameter struct {
	// Name is what was asked for, where that is not the app's own name for it: a
	// store's prefix, or the parameter of a user's ExternalSecret.
	Name  string
	State ParameterState
	// Keys are the names that the parameter gives to the Secret, sorted; only
	// with ParameterFound.
	Keys []string
	// Version counts the changes of the parameter in SSM, from 1 on; 0 where
	// that is not known.
	Version int64
	// Modified is when SSM says that the parameter changed last; zero where that is
	// not known. Versions begin again at 1 when a parameter was deleted and created again.
	Modified time.Time
	// Cause says for people why the keys are not known. It holds no value.
	Cause string
	// Inferred says that the state is that of the Secret, for want of anybody who
	// may look at the parameter: a missing Secret is no missing parameter.
	Inferred bool
}

// Known says that Keys is all there is.
func (p Parameter) Known() bool {
	return p.State == ParameterFound || p.State == ParameterEmpty
}

// name returns the name of the parameter that was asked for.
func (p Parameter) name(d Decision) string { return cmp.Or(p.Name, d.Identity.Parameter) }

// ConfigMapState is what is known of a ConfigMap.
type ConfigMapState string

// The states of a ConfigMap.
const (
	ConfigMapFound    ConfigMapState = "Found"
	ConfigMapNotFound ConfigMapState = "NotFound"
	ConfigMapUnknown  ConfigMapState = "Unknown"
)

// ConfigMap is what is known of a ConfigMap, its values never.
type ConfigMap struct {
	State ConfigMapState
	// Keys are those of data, sorted; envFrom does not read binaryData.
	Keys []string
	// Cause says for people why the keys are not known.
	Cause string
}

// Facts are what the engine must know of the world.
type Facts struct {
	Parameter Parameter
	ConfigMap ConfigMap
	// SecretMissing says that ESO has not made the Secret yet. A pod that may
	// start without it is restarted once it is there.
	SecretMissing bool
	// NeverSeen says that nothing in the cluster has to do with the parameter: no
	// record of its keys, no Secret of it, no ExternalSecret that ever synced or
	// that somebody else made. It is false where that is not known.
	NeverSeen bool
	// ExternalSecret says for people what keeps the Secret from being synced,
	// as "store aws-ssm is not there". Empty when all is well, or not known.
	ExternalSecret string
}
