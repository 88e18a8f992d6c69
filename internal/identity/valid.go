package identity

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Limits of an SSM parameter's name, see "Constraints on parameter names" in
// https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html.
const (
	maxParameterLength = 1011
	maxParameterLevels = 15
)

// parameterLevel tells a level of a parameter's name.
func parameterLevel(level string) bool {
	for i := range len(level) {
		c := level[i]
		letter := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return level != ""
}

// ValidateParameter says what is wrong with an SSM parameter's full name.
func ValidateParameter(name string) error {
	if !strings.HasPrefix(name, "/") {
		return fmt.Errorf("SSM parameter %q must start with \"/\"", name)
	}
	if len(name) > maxParameterLength {
		return fmt.Errorf("SSM parameter %q has %d characters: SSM takes at most %d", name, len(name), maxParameterLength)
	}
	levels := strings.Split(name[1:], "/")
	if len(levels) > maxParameterLevels {
		return fmt.Errorf("SSM parameter %q has %d levels: SSM takes at most %d", name, len(levels), maxParameterLevels)
	}
	for _, level := range levels {
		if !parameterLevel(level) {
			return fmt.Errorf("SSM parameter %q has the level %q: levels are made of letters, digits and \"_.-\"", name, level)
		}
		if level == "." || level == ".." {
			// A directory of parameters would follow it out of the system.
			return fmt.Errorf("SSM parameter %q has the level %q, which is another path where parameters are files", name, level)
		}
	}
	if first := strings.ToLower(levels[0]); strings.HasPrefix(first, "aws") || strings.HasPrefix(first, "ssm") {
		return fmt.Errorf("SSM parameter %q starts with %q: SSM reserves first levels that start with \"aws\" or \"ssm\"", name, levels[0])
	}
	return nil
}

// ValidateObjectName says what is wrong with the name of a Kubernetes object.
// A label's value may hold upper case and "_", an object's name may not.
func ValidateObjectName(kind, name string) error {
	if msgs := validation.IsDNS1123Subdomain(name); len(msgs) > 0 {
		return fmt.Errorf("%s name %q is no Kubernetes object name: %s", kind, name, msgs[0])
	}
	return nil
}
