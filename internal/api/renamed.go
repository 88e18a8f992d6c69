package api

import "fmt"

// RenamedError says that an annotation has an earlier version's name, and what
// to write instead; nil where none has. Such an annotation must not be ignored
// in silence: the pod would run with another environment than its author wrote.
func RenamedError(annotations map[string]string) error {
	for _, key := range []struct{ was, is string }{
		{Group + "/secret", AnnotationSecretName},
		{Group + "/config-map", AnnotationConfigMapName},
		{Group + "/environments", AnnotationAllowedEnvironments},
		{Group + "/parameter-prefixes", AnnotationAllowedParameterPrefixes},
		{Group + "/secret-names", AnnotationAllowedSecretNames},
	} {
		if _, ok := annotations[key.was]; ok {
			return fmt.Errorf("annotation %s was renamed: write %s", key.was, key.is)
		}
	}
	return nil
}
