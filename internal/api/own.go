package api

// Own are the labels or annotations of an object that envgraft knows; nil where
// it has none. Others with our prefix have no meaning: whoever holds objects of
// strangers must not hold what these invented.
func Own(all map[string]string) map[string]string {
	var own map[string]string
	for key, value := range all {
		if !Known(key) {
			continue
		}
		if own == nil {
			own = make(map[string]string, 4)
		}
		own[key] = value
	}
	return own
}

// Known says that the key of a label or annotation is one of envgraft's, or was
// in an earlier version.
func Known(key string) bool {
	switch key {
	case LabelInject, LabelApp, LabelSystem, LabelEnvironment, LabelBypass,

		AnnotationParameter, AnnotationConfigMapName, AnnotationSecretName, AnnotationSecrets, AnnotationSecretOptional,
		AnnotationConfigMapRequired, AnnotationContainers, AnnotationKeep, AnnotationRefreshInterval, AnnotationDeletionPolicy,
		AnnotationSecretStore,

		AnnotationAllowedParameterPrefixes, AnnotationAllowedEnvironments, AnnotationAllowedSecretNames, AnnotationMode,
		AnnotationReload, AnnotationReleaseRestarts,

		AnnotationInjected, AnnotationInjectedContainers, AnnotationAwaitsSecret, AnnotationParameterVersion, AnnotationParameterModified,
		AnnotationRestartedFor, AnnotationRestartedAt,
		AnnotationWritten, AnnotationForcedVersion, AnnotationKeys, AnnotationRevoked, AnnotationUnusedSince,
		AnnotationSecretRemoved:
		return true
	}
	_, was := renamed(key)
	return was
}
