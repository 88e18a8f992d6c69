package facts

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/envgraft/envgraft/internal/graft"
)

// ParseKeys tells from a parameter's value which keys its Secret will have. It
// decodes as the External Secrets Operator does (GetSecretMap, ConvertKeys and
// ValidateKeys of v0.19, conversionStrategy Default), so that the webhook and
// the Secret never disagree.
//
// It overwrites value when it is done: a secret should not lie about in memory
// longer than it takes to read the names of its keys.
func ParseKeys(value []byte) graft.Parameter {
	defer clear(value)
	var object map[string]ignored
	if err := json.Unmarshal(value, &object); err != nil {
		return notAnObject(value, err)
	}
	if object == nil {
		return without(graft.ParameterNotObject, "it is the JSON value null")
	}
	keys, err := secretKeys(object)
	if err != nil {
		return without(graft.ParameterNotObject, "the External Secrets Operator cannot make a Secret of it: "+err.Error())
	}
	if len(keys) == 0 {
		return graft.Parameter{State: graft.ParameterEmpty}
	}
	return graft.Parameter{State: graft.ParameterFound, Keys: keys}
}

// ignored takes any JSON value and keeps nothing of it.
type ignored struct{}

// UnmarshalJSON is called with JSON that is already known to be valid.
func (*ignored) UnmarshalJSON([]byte) error { return nil }

// notAnObject says what else the value is. It never repeats the decoder's
// words, which quote characters of the value: of a bare password, its first.
func notAnObject(value []byte, err error) graft.Parameter {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return without(graft.ParameterInvalidJSON, fmt.Sprintf("at byte %d of %d", syntax.Offset, len(value)))
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		// Value is the kind of JSON ("array"), for numbers with the digits.
		name, _, _ := strings.Cut(kind.Value, " ")
		return without(graft.ParameterNotObject, "it is a JSON "+name)
	}
	return without(graft.ParameterInvalidJSON, "it cannot be decoded")
}

// secretKeys converts the object's names to the Secret's keys, sorted.
func secretKeys(object map[string]ignored) ([]string, error) {
	keys := make([]string, 0, len(object))
	for name := range object {
		// ESO drops the empty name.
		if name != "" {
			keys = append(keys, SecretKey(name))
		}
	}
	slices.Sort(keys)
	for i, key := range keys {
		if i > 0 && keys[i-1] == key {
			return nil, fmt.Errorf("two of its keys become %q", abridge(key))
		}
		if msgs := validation.IsConfigMapKey(key); len(msgs) > 0 {
			return nil, fmt.Errorf("its key %q is no key of a Secret: use up to %d of the letters A-Z and a-z, digits, \"-\", \"_\" and \".\"",
				abridge(key), validation.DNS1123SubdomainMaxLength)
		}
	}
	return keys, nil
}

// SecretKey is the key that the Secret has for a name of the parameter's object.
func SecretKey(name string) string { return strings.Map(secretKeyRune, name) }

// secretKeyRune is ESO's conversionStrategy Default. It lets letters and
// numbers of any script pass, which the API server then refuses.
func secretKeyRune(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsNumber(r) || r == '-' || r == '.' || r == '_' {
		return r
	}
	return '_'
}

// abridge keeps a cause readable whatever is in it.
func abridge(text string) string {
	const limit = 64
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit]) + "…"
}
