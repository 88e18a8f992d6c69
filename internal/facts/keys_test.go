package facts

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/envgraft/envgraft/internal/graft"
)

func TestParseKeys(t *testing.T) {
	long := strings.Repeat("K", 254)
	for name, tc := range map[string]struct {
		reason string
		value  string
		want   graft.Parameter
	}{
		"Object": {
			reason: "names are sorted, values of any kind count",
			value:  `{"DEBUG":"0","API_KEY":"hunter2","N":1.5e3,"B":true,"NULL":null,"O":{"a":1},"L":[1]}`,
			want:   graft.Parameter{State: graft.ParameterFound, Keys: []string{"API_KEY", "B", "DEBUG", "L", "N", "NULL", "O"}},
		},
		"Conversion": {
			reason: "conversionStrategy Default puts _ for what a key cannot hold",
			value:  `{"a b":"1","c/d":"2","e.f-g_h":"3","€":"4","\ud800":"5"}`,
			want:   graft.Parameter{State: graft.ParameterNotObject, Cause: `the External Secrets Operator cannot make a Secret of it: two of its keys become "_"`},
		},
		"Converted": {
			reason: "one name each, in the order of the keys that come out",
			value:  `{"a/b":"2","a b c":"1","e.f-g_h":"3","€":"4"}`,
			want:   graft.Parameter{State: graft.ParameterFound, Keys: []string{"_", "a_b", "a_b_c", "e.f-g_h"}},
		},
		"DuplicateKeys": {
			reason: "as Go decodes it, the last one counts, and there is one",
			value:  `{"A":"1","A":"2"}`,
			want:   graft.Parameter{State: graft.ParameterFound, Keys: []string{"A"}},
		},
		"EmptyKeyDropped": {
			reason: "ESO drops the empty name",
			value:  `{"":"1","A":"2"}`,
			want:   graft.Parameter{State: graft.ParameterFound, Keys: []string{"A"}},
		},
		"Placeholder":    {"a pipeline's placeholder", " {}\n", graft.Parameter{State: graft.ParameterEmpty}},
		"OnlyEmptyKey":   {"nothing is left of it", `{"":"1"}`, graft.Parameter{State: graft.ParameterEmpty}},
		"Array":          {"ESO fails on it", `["hunter2"]`, graft.Parameter{State: graft.ParameterNotObject, Cause: "it is a JSON array"}},
		"String":         {"valid JSON, no object", `"hunter2"`, graft.Parameter{State: graft.ParameterNotObject, Cause: "it is a JSON string"}},
		"Number":         {"the digits may be a PIN", `4711`, graft.Parameter{State: graft.ParameterNotObject, Cause: "it is a JSON number"}},
		"Bool":           {"no object", `true`, graft.Parameter{State: graft.ParameterNotObject, Cause: "it is a JSON bool"}},
		"Null":           {"decodes into a map without an error", `null`, graft.Parameter{State: graft.ParameterNotObject, Cause: "it is the JSON value null"}},
		"Password":       {"not its first letter either", `hunter2`, graft.Parameter{State: graft.ParameterInvalidJSON, Cause: "at byte 1 of 7"}},
		"Truncated":      {"the end is missing", `{"A":"hunter2`, graft.Parameter{State: graft.ParameterInvalidJSON, Cause: "at byte 13 of 13"}},
		"TrailingText":   {"json.Unmarshal wants the end", `{"A":"1"} hunter2`, graft.Parameter{State: graft.ParameterInvalidJSON, Cause: "at byte 11 of 17"}},
		"TwoObjects":     {"so too", `{"A":"1"}{"B":"2"}`, graft.Parameter{State: graft.ParameterInvalidJSON, Cause: "at byte 10 of 18"}},
		"ByteOrderMark":  {"as editors of Windows write it", "\ufeff{}", graft.Parameter{State: graft.ParameterInvalidJSON, Cause: "at byte 1 of 5"}},
		"Nothing":        {"SSM does not store it, a file may", ``, graft.Parameter{State: graft.ParameterInvalidJSON, Cause: "at byte 0 of 0"}},
		"ForeignLetters": {"ESO lets letters of any script pass, the API server does not", `{"größe":"1"}`, graft.Parameter{State: graft.ParameterNotObject, Cause: `the External Secrets Operator cannot make a Secret of it: its key "größe" is no key of a Secret: use up to 253 of the letters A-Z and a-z, digits, "-", "_" and "."`}},
		"LongKey":        {"the cause stays readable", `{"` + long + `":"1"}`, graft.Parameter{State: graft.ParameterNotObject, Cause: `the External Secrets Operator cannot make a Secret of it: its key "` + long[:64] + `…" is no key of a Secret: use up to 253 of the letters A-Z and a-z, digits, "-", "_" and "."`}},
		"Dots":           {"a Secret's key is a file's name too", `{"..":"1"}`, graft.Parameter{State: graft.ParameterNotObject, Cause: `the External Secrets Operator cannot make a Secret of it: its key ".." is no key of a Secret: use up to 253 of the letters A-Z and a-z, digits, "-", "_" and "."`}},
	} {
		t.Run(name, func(t *testing.T) {
			value := []byte(tc.value)
			got := ParseKeys(value)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want +got\n%s", tc.reason, diff)
			}
			if strings.Trim(string(value), "\x00") != "" {
				t.Errorf("the value is still in memory: %q", value)
			}
		})
	}
}

// esoKeys is what ESO v0.19.2 does, in its own words: GetSecretMap of
// pkg/provider/aws/parameterstore, ConvertKeys and ValidateKeys of pkg/utils.
func esoKeys(value string) ([]string, error) {
	kv := make(map[string]json.RawMessage)
	if err := json.Unmarshal([]byte(value), &kv); err != nil {
		return nil, err
	}
	out := make(map[string]bool)
	for k := range kv {
		rs := []rune(k)
		newName := make([]string, len(rs))
		for rk, rv := range rs {
			if !unicode.IsNumber(rv) && !unicode.IsLetter(rv) && rv != '-' && rv != '.' && rv != '_' {
				newName[rk] = "_"
			} else {
				newName[rk] = string(rv)
			}
		}
		key := strings.Join(newName, "")
		if out[key] {
			return nil, fmt.Errorf("secret name collision during conversion: %s", key)
		}
		out[key] = true
	}
	delete(out, "")
	keys := []string{}
	for key := range out {
		// ValidateKeys, and then the API server.
		if msgs := validation.IsConfigMapKey(key); len(msgs) > 0 {
			return nil, fmt.Errorf("key %q: %s", key, msgs[0])
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys, nil
}

// causes are all that may be said about a value: nothing in them is of it but
// offsets, its kind and, of an object, names.
var causes = map[graft.ParameterState]*regexp.Regexp{
	graft.ParameterFound:       regexp.MustCompile(`^$`),
	graft.ParameterEmpty:       regexp.MustCompile(`^$`),
	graft.ParameterInvalidJSON: regexp.MustCompile(`^at byte \d+ of \d+$`),
	graft.ParameterNotObject:   regexp.MustCompile(`^it is (a JSON (array|string|number|bool)|the JSON value null)$|^the External Secrets Operator cannot make a Secret of it: (two of its keys become|its key) "`),
}

func FuzzParseKeys(f *testing.F) {
	for _, seed := range []string{
		`{"API_KEY":"hunter2","a b":1}`, `{}`, `{"":""}`, `null`, `[1]`, `"x"`, `12`, `hunter2`, `{"A":1}x`, `{"A":{"A":null}}`,
		`{"a b":1,"a/b":2}`, "{\"\xff\":1}", `{"\ud800":1,"\ufffd":2}`, `{"größe":1}`, `{"..":1}`, strings.Repeat("[", 10001),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := ParseKeys([]byte(value))
		pattern, ok := causes[got.State]
		if !ok {
			t.Fatalf("ParseKeys(%q): state %q", value, got.State)
		}
		if !pattern.MatchString(got.Cause) {
			t.Errorf("ParseKeys(%q): cause %q may hold a part of the value", value, got.Cause)
		}
		want, err := esoKeys(value)
		switch {
		case strings.TrimSpace(value) == "null":
			// The one difference: ESO takes it for an empty object.
			return
		case err != nil && (got.Known() || got.Keys != nil):
			t.Errorf("ParseKeys(%q) = %+v, but ESO says %v", value, got, err)
		case err == nil && (!got.Known() || !slices.Equal(want, got.Keys)):
			t.Errorf("ParseKeys(%q) = %+v, but ESO makes keys %q of it", value, got, want)
		}
	})
}

// FuzzNoValue puts a marked value in many places and looks for the mark in
// all that can be printed of the result.
func FuzzNoValue(f *testing.F) {
	for _, seed := range []string{`%s`, `"%s"`, `{"A":"%s"}`, `{"A":%s}`, `["%s"]`, `{"A":"%s`, `{"A":"1"}%s`, `{"größe":"%s"}`, `{"a b":"%s","a/b":"%s"}`} {
		f.Add(seed)
	}
	const mark = "S3cr3tV4lu3"
	f.Fuzz(func(t *testing.T, template string) {
		value := strings.ReplaceAll(template, "%s", mark)
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(value), &object) == nil {
			for name := range object {
				if strings.Contains(name, mark) {
					return // a name, and names may be shown
				}
			}
		}
		p := Parameter{Parameter: ParseKeys([]byte(value))}
		if printed := fmt.Sprintf("%+v %#v", p, p); strings.Contains(printed, mark) {
			t.Errorf("ParseKeys(%q) shows the value: %s", value, printed)
		}
	})
}
