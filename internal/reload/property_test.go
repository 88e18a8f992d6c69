package reload

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/golden"
)

func myappNames() Names { return Names{Secret: "myapp-secrets", ConfigMap: "myapp-config"} }

// generate makes a workload of what Reloader and envgraft read, and of fields
// that neither knows. The seed makes it the same each time.
func generate(seed uint64) map[string]any {
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	maybe := func(into map[string]any, key string, values ...string) {
		if random.IntN(3) == 0 {
			into[key] = pick(values...)
		}
	}
	reloader := func() map[string]any {
		annotations := map[string]any{}
		for _, w := range allWatched() {
			maybe(annotations, w.named, "db", "", " a , b", "myapp-.*", "myapp-secrets", "x,", "(")
			maybe(annotations, w.auto, "true", "false", "", "yes")
		}
		maybe(annotations, api.ReloaderAuto, "true", "false", "", "yes", "1")
		maybe(annotations, search, "true", "false", "")
		maybe(annotations, "secrets.exclude."+api.ReloaderPrefix+"reload", "db")
		maybe(annotations, "example.com/foreign", "x")
		return annotations
	}
	inject := func() map[string]any {
		labels := map[string]any{"app": "myapp"}
		maybe(labels, api.LabelInject, "enabled", "disabled", "", "true")
		return labels
	}
	meta := map[string]any{"name": "myapp", "labels": inject(), "later": []any{map[string]any{"unknown": 1.5}}}
	if random.IntN(4) > 0 {
		meta["annotations"] = reloader()
	}
	template := map[string]any{"spec": map[string]any{"containers": []any{}, "later": true}}
	if random.IntN(6) > 0 {
		templateMeta := map[string]any{"later": nil}
		if random.IntN(4) > 0 {
			templateMeta["labels"] = inject()
		}
		if random.IntN(3) > 0 {
			templateMeta["annotations"] = reloader()
		}
		template["metadata"] = templateMeta
	}
	spec := map[string]any{"replicas": 3, "later": "kept"}
	if random.IntN(10) > 0 {
		spec["template"] = template
	}
	if random.IntN(8) == 0 {
		spec["selector"] = map[string]any{"matchLabels": map[string]any{api.LabelInject: "enabled"}}
	}
	return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func unmarshal(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// at returns the map at a path, empty where there is none.
func at(object map[string]any, path ...string) map[string]any {
	for _, field := range path {
		object, _ = object[field].(map[string]any)
	}
	return object
}

// stringsAt returns the map at a path.
func stringsAt(object map[string]any, path ...string) map[string]string {
	m := map[string]string{}
	for key, value := range at(object, path...) {
		m[key] = value.(string)
	}
	return m
}

// withoutEmptyMaps takes out what the API server does not store either:
// metadata, labels and annotations that are empty.
func withoutEmptyMaps(object map[string]any) map[string]any {
	for _, path := range [][]string{
		{"metadata", "annotations"},
		{"metadata", "labels"},
		{"spec", "template", "metadata", "labels"},
		{"spec", "template", "metadata", "annotations"},
		{"spec", "template", "metadata"},
	} {
		last := len(path) - 1
		parent := at(object, path[:last]...)
		if m, ok := parent[path[last]].(map[string]any); ok && len(m) == 0 {
			delete(parent, path[last])
		}
	}
	return object
}

// FuzzAnnotate holds the promises that an author relies on, for any workload.
func FuzzAnnotate(f *testing.F) {
	for seed := range uint64(250) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		original := marshal(t, generate(seed))
		_, patched := golden.Apply(t, original, annotated(t, original, myappNames()).Operations)

		if again := annotated(t, patched, myappNames()); len(again.Operations) > 0 {
			t.Errorf("a second run changes its own output:\n%s\n%v", patched, again.Operations)
		}
		checkUntouched(t, unmarshal(t, original), unmarshal(t, patched))
		checkReloader(t, unmarshal(t, original), unmarshal(t, patched))

		// The author removes the labels, and neither name is called for.
		optOut := func(raw []byte) []byte {
			object := unmarshal(t, raw)
			delete(at(object, "metadata", "labels"), api.LabelInject)
			return marshal(t, object)
		}
		without := optOut(patched)
		_, back := golden.Apply(t, without, annotated(t, without, Names{}).Operations)
		want := withoutEmptyMaps(unmarshal(t, optOut(original)))
		if diff := cmp.Diff(want, withoutEmptyMaps(unmarshal(t, back))); diff != "" {
			t.Errorf("opting out does not restore the workload: -want, +got:\n%s", diff)
		}
	})
}

// checkUntouched compares all that is not ours to write.
func checkUntouched(t *testing.T, before, after map[string]any) {
	t.Helper()
	ours := map[string]bool{api.AnnotationWritten: true}
	for _, w := range allWatched() {
		for _, key := range w.keys() {
			ours[key] = true
		}
	}
	for key, value := range stringsAt(before, "metadata", "annotations") {
		got, ok := at(after, "metadata", "annotations")[key].(string)
		if !ok || !strings.HasPrefix(got, value) {
			t.Errorf("annotation %s was %q and is %q", key, value, got)
		}
	}
	for key := range at(after, "metadata", "annotations") {
		if _, ok := at(before, "metadata", "annotations")[key]; !ok && !ours[key] {
			t.Errorf("annotation %s is not ours to write", key)
		}
	}
	for _, object := range []map[string]any{before, after} {
		delete(at(object, "metadata"), "annotations")
		delete(at(object, "spec", "template", "metadata", "labels"), api.LabelInject)
		withoutEmptyMaps(object)
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("more than annotations and the label changed: -before, +after:\n%s", cmp.Diff(before, after))
	}
}

// checkReloader compares what Reloader would do on a change of some object.
func checkReloader(t *testing.T, before, after map[string]any) {
	t.Helper()
	metaBefore, metaAfter := stringsAt(before, "metadata", "annotations"), stringsAt(after, "metadata", "annotations")
	template := stringsAt(before, "spec", "template", "metadata", "annotations")
	ours := []string{"myapp-secrets", "myapp-config", ""}
	for i, w := range allWatched() {
		for _, name := range []string{"db", "b", "foreign", ours[i]} {
			for _, autoAll := range []bool{false, true} {
				was, is := shouldReload(w, name, metaBefore, template, autoAll), shouldReload(w, name, metaAfter, template, autoAll)
				refused := w.refused(w.source(metaBefore, template))
				want := was || ours[i] == name && name != "" && !refused && metaBefore[api.AnnotationReload] == ""
				if is != want {
					t.Errorf("Reloader on a change of %s %q (auto-reload-all %v): was %v, is %v, want %v\nbefore %v\nafter %v\ntemplate %v",
						w.named, name, autoAll, was, is, want, metaBefore, metaAfter, template)
				}
			}
		}
	}
}

// shouldReload is ShouldReload of Reloader 1.4.21, pkg/common/common.go, for an
// object that is referenced and not marked for search, ignored or excluded.
func shouldReload(w watched, name string, annotations, podAnnotations map[string]string, autoReloadAll bool) bool {
	value, found := annotations[w.named]
	_, foundSearch := annotations["reloader.stakater.com/search"]
	auto, foundAuto := annotations["reloader.stakater.com/auto"]
	typed, foundTyped := annotations[w.auto]
	if !found && !foundAuto && !foundTyped && !foundSearch {
		value, auto, typed = podAnnotations[w.named], podAnnotations["reloader.stakater.com/auto"], podAnnotations[w.auto]
	}
	for v := range strings.SplitSeq(value, ",") {
		re, err := regexp.Compile("^" + strings.TrimSpace(v) + "$")
		if err == nil && re.MatchString(name) {
			return true
		}
	}
	isAuto, _ := strconv.ParseBool(auto)
	isTyped, _ := strconv.ParseBool(typed)
	return isAuto || isTyped || auto == "" && typed == "" && autoReloadAll
}

// FuzzResent holds that the outcome is the author's alone: a manifest with
// our part of the object still there, as kubectl apply leaves it, comes to the
// same as the manifest by itself.
func FuzzResent(f *testing.F) {
	for seed := range uint64(250) {
		f.Add(seed, seed+1)
	}
	f.Fuzz(func(t *testing.T, first, second uint64) {
		old, next := generate(first), generate(second)
		for _, manifest := range []map[string]any{old, next} {
			delete(at(manifest, "spec"), "selector") // which is immutable
			recordApplied(t, manifest)
		}
		_, fresh := golden.Apply(t, marshal(t, next), annotated(t, marshal(t, next), myappNames()).Operations)

		// Apply: keys of the old manifest that the new one lacks go, keys of the
		// new one are set, all others stay: ours.
		oldRaw := marshal(t, old)
		_, live := golden.Apply(t, oldRaw, annotated(t, oldRaw, myappNames()).Operations)
		merged := unmarshal(t, marshal(t, next))
		annotations := threeWay(stringsAt(old, "metadata", "annotations"), stringsAt(unmarshal(t, live), "metadata", "annotations"), stringsAt(next, "metadata", "annotations"))
		at(merged, "metadata")["annotations"] = annotations
		if meta := at(merged, "spec", "template", "metadata"); meta != nil {
			meta["labels"] = threeWay(stringsAt(old, "spec", "template", "metadata", "labels"),
				stringsAt(unmarshal(t, live), "spec", "template", "metadata", "labels"), stringsAt(next, "spec", "template", "metadata", "labels"))
		} else {
			t.Skip("a template without metadata cannot carry our label over")
		}
		raw := marshal(t, merged)
		_, got := golden.Apply(t, raw, annotated(t, raw, myappNames()).Operations)
		if diff := cmp.Diff(withoutEmptyMaps(unmarshal(t, fresh)), withoutEmptyMaps(unmarshal(t, got))); diff != "" {
			t.Errorf("applied over an older one, the workload differs: -fresh, +applied:\n%s\nold %s\nnew %s", diff, oldRaw, marshal(t, next))
		}
	})
}

// recordApplied writes a manifest into its annotations, as kubectl apply does.
func recordApplied(t *testing.T, manifest map[string]any) {
	t.Helper()
	text := string(marshal(t, manifest))
	if _, ok := manifest["metadata"].(map[string]any)["annotations"]; !ok {
		at(manifest, "metadata")["annotations"] = map[string]any{}
	}
	at(manifest, "metadata", "annotations")[corev1.LastAppliedConfigAnnotation] = text
}

func threeWay(old, live, next map[string]string) map[string]any {
	merged := map[string]any{}
	for key, value := range live {
		if _, was := old[key]; !was {
			merged[key] = value
		}
	}
	for key, value := range next {
		merged[key] = value
	}
	return merged
}

func TestReadRefusesNonsense(t *testing.T) {
	for _, raw := range []string{``, `[]`, `{"metadata":{"annotations":{"a":1}}}`} {
		if _, err := Read([]byte(raw)); err == nil {
			t.Errorf("Read(%q): want an error", raw)
		}
	}
}

func TestForeignRecord(t *testing.T) {
	// Anybody can write the record; it must not reach what we never write.
	record := `{"appended":{"example.com/foreign":"x"},"hoisted":{"example.com/foreign":"x","deployment.reloader.stakater.com/pause-period":"30s"}}`
	annotations := map[string]string{"example.com/foreign": "x", "deployment.reloader.stakater.com/pause-period": "30s"}
	for name, text := range map[string]string{"Reaching": record, "Malformed": "{", "OtherType": `["a"]`} {
		t.Run(name, func(t *testing.T) {
			have := maps.Clone(annotations)
			have[api.AnnotationWritten] = text
			raw := marshal(t, map[string]any{"metadata": map[string]any{"annotations": have}})
			_, patched := golden.Apply(t, raw, annotated(t, raw, Names{}).Operations)
			if diff := cmp.Diff(annotations, stringsAt(unmarshal(t, patched), "metadata", "annotations")); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

func TestNoRoom(t *testing.T) {
	// Near the limit of 256 KiB, our annotations must not have the object refused.
	raw := fmt.Sprintf(`{"metadata":{"annotations":{"example.com/large":%q}},"spec":{"template":{}}}`, strings.Repeat("x", 256<<10-40))
	result := annotated(t, []byte(raw), myappNames())
	if len(result.Operations) > 0 || len(result.Warnings) != 1 {
		t.Errorf("want one warning and no operations, got %d operations and warnings %q", len(result.Operations), result.Warnings)
	}
}
