package api

import "fmt"

// RenamedError says that an annotation has an earlier version's name, and what
// to write instead; nil where none has. Such an annotation must not be ignored
// in silence: the pod would run with another environment than its author wrote.
func RenamedError(annotations map[string]string) error {
	for _, key := range [...]string{
		Group + "/secret", Group + "/config-map", Group + "/environments", Group + "/parameter-prefixes", Group + "/secret-names",
	} {
		if _, ok := annotations[key]; ok {
			is, _ := renamed(key)
			return fmt.Errorf("annotation %s was renamed: write %s", key, is)
		}
	}
	return nil
}

// renamed returns what the annotation of an earlier version is called now.
func renamed(key string) (is string, was bool) {
	switch key {
	case Group + "/secret":
		return AnnotationSecretName, true
	case Group + "/config-map":
		return AnnotationConfigMapName, true
	case Group + "/environments":
		return AnnotationAllowedEnvironments, true
	case Group + "/parameter-prefixes":
		return AnnotationAllowedParameterPrefixes, true
	case Group + "/secret-names":
		return AnnotationAllowedSecretNames, true
	}
	return "", false
}
