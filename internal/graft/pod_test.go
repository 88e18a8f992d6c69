package graft

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	kjson "k8s.io/apimachinery/pkg/util/json"
)

// plainPod is the pod as the API server's own decoder reads it.
type plainPod struct {
	Metadata *struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		InitContainers []plainContainer `json:"initContainers"`
		Containers     []plainContainer `json:"containers"`
	} `json:"spec"`
}

type plainContainer struct {
	Name    string                       `json:"name"`
	EnvFrom []json.RawMessage            `json:"envFrom"`
	Env     []map[string]json.RawMessage `json:"env"`
}

// FuzzDecodePod holds the reading of a pod to the API server's decoder, but for
// what it refuses: fields that stand twice, and more than any pod has.
func FuzzDecodePod(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp","tier":"x"},"annotations":{"envgraft.dev/keep":"A"}},"spec":{"containers":[{"name":"app","env":[{"name":"A","value":"x"}],"envFrom":[{"secretRef":{"name":"s"}}]}]}}`,
		`{"metadata":null,"spec":{"containers":null,"initContainers":[null,{}]}}`,
		`{"Metadata":{"labels":{"app.kubernetes.io/name":1}},"spec":{"Containers":3}}`,
		`{"metadata":{"labels":{"app.kubernetes.io/name":1}}}`, `{"metadata":{"labels":{"x":1}}}`, `{"metadata":{"annotations":[]}}`,
		`{"met\u0061data":{"labels":{"app.kubernetes.io\/name":"\ud83d\ude00\ud800"}}}`, "{\"metadata\":{\"labels\":{\"app.kubernetes.io/\xff\":\"\xc0\"}}}",
		`{"metadata":{"labels":{"envgraft.dev/app":"a","envgraft.dev/app":"b","envgraft.dev/inject":null}}}`,
		`{"spec":{},"spec":{}}`, `{"spec":{"containers":[{"env":[{"name":"A","name":"B"}]}]}}`,
		`{"spec":{"containers":[{"env":[null,{},{"name":3,"value":null,"x":1,"valueFrom":{}}],"envFrom":[null,1,{}],"name":null}]}}`,
		`{"spec":{"containers":[{"env":[3]}]}}`, `{"spec":{"containers":[{"env":{}}]}}`, `{"spec":{"containers":[{"name":3}]}}`, `null`, `[]`, `3`, ``,
		`{"00000000":{"00000000000":{"000":""}},"spec":{"containers":[]}}`, `{"spec":{"initContainers":[],"containers":[{"env":[],"envFrom":[]}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParsePod(raw).view()
		var want plainPod
		wantErr := kjson.Unmarshal(raw, &want)
		switch {
		case err != nil && (strings.Contains(err.Error(), "stands twice") || errors.As(err, &tooLargeError{})):
			return
		case (err == nil) != (wantErr == nil):
			t.Fatalf("%.300q: got error %v, the plain decoder's is %v", raw, err, wantErr)
		case err != nil:
			return
		}
		if diff := cmp.Diff(want.known(), got.plain()); diff != "" {
			t.Errorf("%.300q: -plain, +got:\n%s", raw, diff)
		}
	})
}

// known leaves the labels and annotations that somebody here reads.
func (p plainPod) known() plainPod {
	if p.Metadata != nil {
		for _, marks := range []map[string]string{p.Metadata.Labels, p.Metadata.Annotations} {
			for key := range marks {
				if !ours([]byte(key)) {
					delete(marks, key)
				}
			}
		}
	}
	// An empty list and none are the same to the engine: it asks what is in a list, and
	// writes a patch that is right for both.
	p.Spec.InitContainers, p.Spec.Containers = noneIfEmpty(p.Spec.InitContainers), noneIfEmpty(p.Spec.Containers)
	for _, list := range [][]plainContainer{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			list[i].Env, list[i].EnvFrom = noneIfEmpty(list[i].Env), noneIfEmpty(list[i].EnvFrom)
		}
	}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for i, entry := range c.Env {
			c.Env[i] = map[string]json.RawMessage{}
			for key, value := range entry {
				switch {
				case key == "name", key == fieldValue, key == fieldValueFrom:
					c.Env[i][key] = value
				case string(value) != "null":
					c.Env[i]["other"] = nil
				}
			}
		}
	}
	return p
}

func noneIfEmpty[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// plain writes what was read as the plain decoder would have.
func (p podView) plain() plainPod {
	var out plainPod
	if p.Metadata != nil {
		out.Metadata = &struct {
			Labels      map[string]string `json:"labels"`
			Annotations map[string]string `json:"annotations"`
		}{p.Metadata.Labels, p.Metadata.Annotations}
	}
	out.Spec.InitContainers, out.Spec.Containers = plainContainers(p.Spec.InitContainers), plainContainers(p.Spec.Containers)
	return out
}

func plainContainers(views []containerView) []plainContainer {
	var containers []plainContainer
	for _, view := range views {
		c := plainContainer{Name: view.Name, EnvFrom: view.envFroms()}
		for _, e := range view.envs() {
			entry := map[string]json.RawMessage{}
			for key, value := range map[string]json.RawMessage{"name": e.rawName, fieldValue: e.value, fieldValueFrom: e.valueFrom} {
				if value != nil {
					entry[key] = value
				}
			}
			if e.other {
				entry["other"] = nil
			}
			c.Env = append(c.Env, entry)
		}
		containers = append(containers, c)
	}
	return containers
}

// TestDecodePodBounds has what no pod can have refused before it is built.
func TestDecodePodBounds(t *testing.T) {
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	cases := map[string]string{
		"Containers":     `{"spec":{"containers":[` + list(`{}`, 200000) + `]}}`,
		"InitContainers": `{"spec":{"initContainers":[` + list(`{}`, 200000) + `]}}`,
		"Both":           `{"spec":{"initContainers":[` + list(`{}`, maxContainers) + `],"containers":[{}]}}`,
		"Env":            `{"spec":{"containers":[{"env":[` + list(`{"name":"A","value":"x"}`, 228000) + `]}]}}`,
		"EnvOfMany":      `{"spec":{"containers":[` + list(`{"env":[`+list(`{}`, 100)+`]}`, maxEnv/100+1) + `]}}`,
		"EnvFrom":        `{"spec":{"containers":[{"envFrom":[` + list(`{}`, 200000) + `]}]}}`,
		"Annotations":    `{"metadata":{"annotations":{` + list(`"envgraft.dev/x":""`, 100000) + `}}}`,
		"LongAnnotation": `{"metadata":{"annotations":{"envgraft.dev/keep":"` + list(`A`, 1<<20) + `"}}}`,
	}
	for name, raw := range cases {
		t.Run(name, func(t *testing.T) {
			document := []byte(raw)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ParsePod(document).view()
			runtime.ReadMemStats(&after)
			if !errors.As(err, &tooLargeError{}) {
				t.Errorf("got %v", err)
			}
			// A long annotation is copied once.
			if used := after.TotalAlloc - before.TotalAlloc; used > 3<<20 {
				t.Errorf("%d bytes for a document of %d", used, len(raw))
			}
		})
	}
	if _, err := ParsePod([]byte(`{"spec":{"containers":[` + list(`{"env":[`+list(`{}`, maxEnv/maxContainers)+`]}`, maxContainers) + `]}}`)).view(); err != nil {
		t.Errorf("a pod within the bounds: %v", err)
	}
}

// FuzzBoundTo holds the reading of what an entry of env takes to the plain decoder.
func FuzzBoundTo(f *testing.F) {
	for _, seed := range []string{
		`{"secretKeyRef":{"name":"s","key":"A"}}`, `{"secretKeyRef":{"name":"s","key":"A","optional":true}}`, `{"secretKeyRef":{"name":"s","key":"B"}}`,
		`{"configMapKeyRef":{"name":"s","key":"A"}}`, `{"secretKeyRef":{"name":"s","key":"A"},"fieldRef":null}`, `{"secretKeyRef":{"name":"s","key":3}}`,
		`{"secretKeyRef":null}`, `{"secretKeyRef":[]}`, `{"SecretKeyRef":{"name":"s","key":"A"}}`, `{"secretKeyRef":{"Name":"s","key":"A"}}`, `{}`, `null`, `[]`, `3`, ``,
	} {
		f.Add([]byte(seed))
	}
	to := reference{tier: TierParameter, name: "s"}
	f.Fuzz(func(t *testing.T, from []byte) {
		if !json.Valid(from) || bytes.Count(from, []byte("ecretKeyRef")) > 1 || bytes.Count(from, []byte("name")) > 1 || bytes.Count(from, []byte("key")) > 1 {
			return // decodePod refuses the first; of what stands twice the last counts, or both
		}
		var sources map[string]json.RawMessage
		var selector struct {
			Name string `json:"name"`
			Key  string `json:"key"`
		}
		want := kjson.Unmarshal(from, &sources) == nil && len(sources) == 1 && sources["secretKeyRef"] != nil &&
			kjson.Unmarshal(sources["secretKeyRef"], &selector) == nil && selector.Name == "s" && selector.Key == "A"
		if got := (envView{rawName: []byte(`"A"`), valueFrom: from}).takes(keyRef{to, "A"}); got != want {
			t.Errorf("%.300q: got %t, the plain decoder %t", from, got, want)
		}
	})
}
