package graft

import (
	stdjson "encoding/json"
	"slices"
	"strings"

	"github.com/envgraft/envgraft/internal/jsonscan"
)

// keyRef is a key of a tier's object.
type keyRef struct {
	reference
	key string
}

// valueFrom writes what takes the key.
func (r keyRef) valueFrom() stdjson.RawMessage {
	return stdjson.RawMessage(r.appendValueFrom(nil))
}

func (r keyRef) appendValueFrom(b []byte) []byte {
	b = slices.Grow(b, len(`{"configMapKeyRef":{"key":"","name":"","optional":true}}`)+len(r.key)+len(r.name))
	b = append(b, `{"`...)
	b = append(b, r.keyRefField()...)
	b = jsonscan.AppendText(append(b, `":{"key":`...), r.key)
	return append(r.appendName(append(b, ',')), "}}"...)
}

// entryFor is an entry of env that takes the key.
func (r keyRef) entryFor(name string) stdjson.RawMessage {
	b := jsonscan.AppendText([]byte(`{"name":`), name)
	b = append(b, `,"`+fieldValueFrom+`":`...)
	return append(r.appendValueFrom(b), '}')
}

func (r reference) keyRefField() string {
	if r.tier == TierParameter {
		return "secretKeyRef"
	}
	return "configMapKeyRef"
}

// String names the object as kubectl does.
func (r reference) String() string {
	if r.tier == TierParameter {
		return "Secret/" + r.name
	}
	return "ConfigMap/" + r.name
}

// taken reads which key of which object an entry takes. It is none where the
// entry says more than we know: a source of a later API may mean something else.
func (e envView) taken() (taken keyRef, ok bool) {
	if !given(e.valueFrom) {
		return keyRef{}, false
	}
	s := jsonscan.New(e.valueFrom)
	sources := 0
	for source := range s.Members() {
		sources++
		switch string(source) {
		case "secretKeyRef":
			taken.tier = TierParameter
		case "configMapKeyRef":
			taken.tier = TierConfigMap
		}
		if taken.tier == "" || s.Kind() != jsonscan.Object {
			continue
		}
		for field := range s.Members() {
			switch string(field) {
			case "name":
				taken.name = s.Text()
			case "key":
				taken.key = s.Text()
			case "optional":
				taken.optional = string(s.Raw()) == "true"
			}
		}
	}
	return taken, sources == 1 && taken.tier != "" && s.Err() == nil
}

// takes says that the entry takes exactly this key.
func (e envView) takes(key keyRef) bool {
	taken, ok := e.taken()
	return ok && taken.key == key.key && taken.sameObject(key.reference)
}

// The rule: on Windows names that differ by case only are one variable, so a
// literal "Path" shadows the key "PATH". Kubernetes takes them for two, and
// which of them a process sees is left to chance.

// keySet finds the key that a variable's name stands for.
type keySet struct {
	// sorted are all keys.
	sorted []string
	// folded are the keys in lower case; nil where case counts.
	folded map[string]string
}

func newKeySet(sorted []string, fold bool) keySet {
	set := keySet{sorted: sorted}
	if fold {
		set.folded = make(map[string]string, len(sorted))
		for _, key := range slices.Backward(sorted) {
			set.folded[strings.ToLower(key)] = key
		}
	}
	return set
}

// find returns the key of a name: the same, if it is one, else on Windows the
// first that differs by case only.
func (k keySet) find(name string) (key string, ok bool) {
	if _, ok := slices.BinarySearch(k.sorted, name); ok {
		return name, true
	}
	if k.folded == nil {
		return "", false
	}
	key, ok = k.folded[strings.ToLower(name)]
	return key, ok
}
