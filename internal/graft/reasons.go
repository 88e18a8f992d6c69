package graft

// Refusals lists the reasons for which a pod may be denied.
func Refusals() []Reason {
	return []Reason{
		ReasonNoApp, ReasonMalformed, ReasonTooLarge, ReasonInvalidLabel, ReasonInvalidSetting, ReasonIdentity,
		ReasonMissingParameter, ReasonInvalidParameter, ReasonUnknownParameter,
	}
}

// Passes lists the reasons of all other outcomes.
func Passes() []Reason {
	return []Reason{ReasonInjected, ReasonNotOptedIn, ReasonOptedOut, ReasonExcluded, ReasonMirrorPod, ReasonFailed}
}

// Warnings lists the reasons of warnings.
func Warnings() []Reason {
	return []Reason{
		WarnNoApp, WarnParameterMissing, WarnRunsWithout, WarnParameterEmpty, WarnParameterInvalid, WarnParameterUnknown,
		WarnConfigMapMissing, WarnConfigMapUnknown, WarnUncheckedLiterals, WarnShadowedKey, WarnKeyName,
		WarnDangerousKey, WarnExternalSecret, WarnSystemByName, WarnAudit, WarnPodsDenied, WarnReload,
	}
}
