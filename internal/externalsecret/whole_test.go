package externalsecret

import (
	"testing"

	"sigs.k8s.io/yaml"
)

func TestSoleParameter(t *testing.T) {
	for _, c := range []struct {
		reason, spec string
		want         bool
	}{
		{"one parameter", "{dataFrom: [{extract: {key: /a/b/c/app}}]}", true},
		{"the defaults, as an API server writes them", "{target: {creationPolicy: Owner}, dataFrom: [{extract: {key: /a/b/c/app, conversionStrategy: Default, decodingStrategy: None, metadataPolicy: None}}]}", true},
		{"a template makes keys of its own", "{target: {template: {data: {A: b}}}, dataFrom: [{extract: {key: /a/b/c/app}}]}", false},
		{"another version may have other keys", "{dataFrom: [{extract: {key: /a/b/c/app, version: '3'}}]}", false},
		{"a decoded value may be another object", "{dataFrom: [{extract: {key: /a/b/c/app, decodingStrategy: Base64}}]}", false},
		{"converted keys are others", "{dataFrom: [{extract: {key: /a/b/c/app, conversionStrategy: Unicode}}]}", false},
		{"tags of the parameter", "{dataFrom: [{extract: {key: /a/b/c/app, metadataPolicy: Fetch}}]}", false},
		{"a property", "{dataFrom: [{extract: {key: /a/b/c/app, property: x}}]}", false},
		{"keys that are rewritten", "{dataFrom: [{extract: {key: /a/b/c/app}, rewrite: [{regexp: {}}]}]}", false},
		{"two sources", "{dataFrom: [{extract: {key: /a/b/c/app}}, {extract: {key: /a}}]}", false},
		{"single keys beside it", "{data: [{secretKey: A, remoteRef: {key: x}}], dataFrom: [{extract: {key: /a/b/c/app}}]}", false},
		{"a Secret that others fill too", "{target: {creationPolicy: Merge}, dataFrom: [{extract: {key: /a/b/c/app}}]}", false},
	} {
		var e ExternalSecret
		if err := yaml.Unmarshal([]byte(c.spec), &e.Spec); err != nil {
			t.Fatal(err)
		}
		if got := e.SoleParameter() != ""; got != c.want {
			t.Errorf("%s: %t, want %t", c.reason, got, c.want)
		}
	}
}
