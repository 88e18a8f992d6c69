package process

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
)

// attack is a review that somebody makes as expensive as possible.
type attack struct{ name, path, body string }

const optedIn = `"metadata":{"labels":{"app.kubernetes.io/name":"myapp","envgraft.dev/inject":"enabled"}}`

const (
	// fieldBytes is the length of one field of the Pod API.
	fieldBytes = 1 << 20
	// markBytes is the most that the API server takes of annotations, which it
	// checks only after the webhooks.
	markBytes = 256 << 10
	// wholeBytes is nearly the API server's limit of an object.
	wholeBytes = 3<<20 - 64<<10
)

// hostile yields all attacks: those of the past, and for each field of the Pod
// API and each label and annotation of ours the longest, the most and the deepest.
func hostile() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		for _, all := range []iter.Seq[attack]{past(), podFields(), marks()} {
			for a := range all {
				if !yield(a) {
					return
				}
			}
		}
	}
}

func list(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }

// numbered is a list of different items; format takes a number.
func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// knownKeys are how many keys the app's parameter has.
const knownKeys = 400

// manyKeys is the app's parameter.
func manyKeys() string { return "{" + numbered(`"KEY%d":"x"`, knownKeys) + `,"A":"x"}` }

// past are the reviews that once took hundreds of MiB, or seconds, each.
func past() iter.Seq[attack] {
	pod := func(spec string) string { return podReview(`{` + optedIn + `,"spec":{` + spec + `}}`) }
	marked := func(annotations, spec string) string {
		return podReview(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp","envgraft.dev/inject":"enabled"},"annotations":{` + annotations + `}},"spec":{` + spec + `}}`)
	}
	template := func(spec string) string {
		return workReview(`{` + optedIn + `,"spec":{"template":{` + optedIn + `,"spec":{` + spec + `}}}}`)
	}
	variables := `"containers":[{"name":"app","env":[` + numbered(`{"name":"V%d","value":"x"}`, 9_900) + `]}]`
	reviews := map[string]string{
		"containers":      pod(`"containers":[` + list(`{}`, 230000) + `]`),
		"containersLegal": pod(`"containers":[` + numbered(`{"name":"c%d","env":[{"name":"A","value":"x"}]}`, 490) + `]`),
		"env":             pod(`"containers":[{"name":"a","env":[` + list(`{"name":"A","value":"x"}`, 228000) + `]}]`),
		"envLegal":        pod(`"containers":[{"name":"a","env":[` + list(`{"name":"A","value":"x"}`, 9_900) + `]}]`),
		"envKeys":         pod(`"containers":[{"name":"a","env":[` + list(numbered(`{"name":"KEY%d","value":"x"}`, knownKeys), 24) + `]}]`),
		"envShadows":      pod(`"containers":[{"name":"` + strings.Repeat("n", 40<<10) + `","env":[` + list(`{"name":"A","valueFrom":{}}`, 9_900) + `]}]`),
		"envShadowsMany":  pod(`"containers":[{"name":"` + strings.Repeat("n", 40<<10) + `","env":[` + list(numbered(`{"name":"KEY%d","valueFrom":{}}`, knownKeys), 24) + `]}]`),
		"envUnknown":      strings.ReplaceAll(pod(variables), `"myapp"`, `"other"`),
		"envReferences":   pod(`"containers":[{"name":"a","env":[` + numbered(`{"name":"V%[1]d","value":"$(V%[1]d)$(A)"}`, 9_900) + `]}]`),
		"keep":            marked(`"envgraft.dev/keep":"`+numbered("k%d", 30_000)+`"`, variables),
		"keepOne":         marked(`"envgraft.dev/keep":"`+list("A", 120_000)+`"`, variables),
		"keepThousand":    marked(`"envgraft.dev/keep":"`+numbered("k%d", 1000)+`"`, variables),
		"onlyContainers":  marked(`"envgraft.dev/containers":"`+numbered("c%d", 1000)+`"`, `"containers":[`+numbered(`{"name":"c%d"}`, 490)+`]`),
		"envFrom":         pod(`"containers":[{"envFrom":[` + list(`{"secretRef":{}}`, 300000) + `]}]`),
		"envFromLegal":    pod(`"containers":[{"name":"a","envFrom":[` + numbered(`{"secretRef":{"name":"s%d"}}`, 1990) + `]}]`),
		"volumes":         pod(`"volumes":[` + list(`{}`, 1_000_000) + `],"containers":[]`),
		"deep":            pod(`"x":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `,"containers":[]`),
		"annotations":     podReview(`{"metadata":{"annotations":{` + list(`"envgraft.dev/keep":"A"`, 120_000) + `}}}`),
		"expressions":     marked(`"secret.reloader.stakater.com/reload":"(`+strings.Repeat("a", 3200)+`){1000}"`, `"containers":[{}]`),
		"owners":          podReview(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp","envgraft.dev/inject":"enabled"},"ownerReferences":[` + list(`{"controller":false}`, 130_000) + `]},"spec":{"containers":[{"name":"a"}]}}`),
		"escapes":         pod(`"x":"` + strings.Repeat(`\u0041`, wholeBytes/6) + `","containers":[]`),
		"forgedUID":       strings.Replace(pod(`"containers":[]`), `"uid":"u1"`, `"uid":"`+strings.Repeat("u", 6<<20)+`"`, 1),
		"template":        template(`"containers":[` + list(`{}`, 230000) + `]`),
		"managedFields":   workReview(`{"metadata":{"managedFields":[` + list(`{"fieldsV1":{"f:metadata":{"f:annotations":{"f:a":{}}}}}`, 50_000) + `]}}`),
		"workloadRegexps": workReview(`{"metadata":{"labels":{"envgraft.dev/inject":"enabled"},"annotations":{"secret.reloader.stakater.com/reload":"` + list(`(a{100}){10}`, 20000) + `"}},"spec":{"template":{` + optedIn + `}}}`),
	}
	return func(yield func(attack) bool) {
		for _, name := range slices.Sorted(maps.Keys(reviews)) {
			path := api.PodsWebhook
			if strings.Contains(reviews[name][:300], "deployments") {
				path = api.WorkloadsWebhook
			}
			if !yield(attack{name, path, reviews[name]}) {
				return
			}
		}
	}
}

// marks fill each label and annotation of ours, on a pod and on a workload.
func marks() iter.Seq[attack] {
	shapes := map[string]string{
		"long": strings.Repeat("a", markBytes), "list": numbered("n%d", 30_000), "commas": strings.Repeat(",", markBytes),
		"levels": strings.Repeat("/a", markBytes/2), "quotes": strings.Repeat(`\"`, markBytes/2), "braces": strings.Repeat("{app}", markBytes/5),
		"expressions": list("(a{50}){20}", markBytes/12), "escapes": strings.Repeat(`\u00e9`, markBytes/6), "json": strings.Repeat(`[{\"a\":`, markBytes/8),
		"dots": strings.Repeat("a.", markBytes/2), "digits": strings.Repeat("9", markBytes) + "h",
	}
	return func(yield func(attack) bool) {
		for _, key := range ourKeys() {
			for shape, value := range shapes {
				for _, of := range []string{"labels", "annotations"} {
					all := map[string]string{"labels": `"app.kubernetes.io/name":"myapp","envgraft.dev/inject":"enabled"`, "annotations": ""}
					if of == "labels" && strings.Contains(all[of], key) {
						all[of] = ""
					}
					all[of] = strings.TrimPrefix(all[of]+`,"`+key+`":"`+value+`"`, ",")
					object := `"metadata":{"labels":{` + all["labels"] + `},"annotations":{` + all["annotations"] + `}}`
					spec := `"spec":{"containers":[{"name":"app","env":[` + numbered(`{"name":"KEY%d","value":"x"}`, knownKeys) + `]}]}`
					if !yield(attack{of + " " + key + " " + shape, api.PodsWebhook, podReview(`{` + object + `,` + spec + `}`)}) ||
						!yield(attack{"workload's " + of + " " + key + " " + shape, api.WorkloadsWebhook, workReview(`{` + object + `,"spec":{"template":{` + object + `}}}`)}) {
						return
					}
				}
			}
		}
	}
}

// ourKeys are the labels and annotations of package api, by its source: one that is
// added there is tried here.
func ourKeys() []string {
	source, err := os.ReadFile("../../internal/api/keys.go")
	if err != nil {
		panic(err)
	}
	var keys []string
	for _, match := range regexp.MustCompile(`(?m)^\t(?:Label|Annotation)\w+\s*= Group \+ "(/[a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		keys = append(keys, api.Group+match[1])
	}
	return append(keys, api.LabelName, api.LabelPartOf, api.ReloaderAuto, api.ReloaderSecret, api.ReloaderConfigMap, api.ReloaderRolloutStrategy)
}

func TestOurKeys(t *testing.T) {
	keys := ourKeys()
	for _, want := range []string{api.AnnotationKeep, api.LabelApp, api.AnnotationUnusedSince, api.AnnotationParameter} {
		if !slices.Contains(keys, want) {
			t.Errorf("%q lacks %s", keys, want)
		}
	}
}

// podFields fill each field of the Pod API.
func podFields() iter.Seq[attack] {
	return func(yield func(attack) bool) {
		g := &generator{yield: yield, seen: map[reflect.Type]int{}}
		g.walk(reflect.TypeFor[corev1.Pod](), "pod", podReview)
	}
}

// generator walks through types.
type generator struct {
	yield   func(attack) bool
	seen    map[reflect.Type]int
	stopped bool
}

// base are the fields that an object has beside the one that is filled.
func base(t reflect.Type) map[string]string {
	switch t {
	case reflect.TypeFor[corev1.Pod]():
		return map[string]string{"metadata": strings.TrimPrefix(optedIn, `"metadata":`), "spec": `{"containers":[{"name":"app"}]}`}
	case reflect.TypeFor[metav1.ObjectMeta]():
		return map[string]string{"labels": `{"app.kubernetes.io/name":"myapp","envgraft.dev/inject":"enabled"}`}
	case reflect.TypeFor[corev1.PodSpec]():
		return map[string]string{"containers": `[{"name":"app"}]`}
	case reflect.TypeFor[corev1.Container]():
		return map[string]string{"name": `"app"`, "env": `[{"name":"A","value":"x"}]`}
	case reflect.TypeFor[corev1.EnvVar]():
		return map[string]string{"name": `"A"`}
	}
	return nil
}

func (g *generator) attack(name, body string) {
	g.stopped = g.stopped || !g.yield(attack{name, api.PodsWebhook, body})
}

// fill attacks with as many items as there is room for.
func (g *generator) fill(name string, wrap func(string) string, open, item, end string) {
	g.attack(name+" most", wrap(open+list(item, fieldBytes/(len(item)+1))+end))
}

// walk attacks by a value of the type; wrap makes a review of the value's JSON.
func (g *generator) walk(t reflect.Type, name string, wrap func(string) string) {
	if g.stopped {
		return
	}
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Struct || t.Implements(reflect.TypeFor[json.Marshaler]()) {
		g.leaf(t, name, wrap)
		return
	}
	if t.Kind() == reflect.Pointer {
		g.walk(t.Elem(), name, wrap)
		return
	}
	// Containers are in a pod twice, and most types in every volume.
	if g.seen[t]++; g.seen[t] > 2 {
		return
	}
	for field := range t.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if key == "" && field.Anonymous {
			g.walk(field.Type, name, wrap)
			continue
		}
		g.walk(field.Type, name+"."+key, func(value string) string {
			object := `"` + key + `":` + value
			for other, fixed := range base(t) {
				if other != key {
					object += `,"` + other + `":` + fixed
				}
			}
			return wrap("{" + object + "}")
		})
	}
}

// leaf attacks by what is no struct.
func (g *generator) leaf(t reflect.Type, name string, wrap func(string) string) {
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		g.fill(name, wrap, "[", map[bool]string{true: `"a"`, false: "{}"}[t.Elem().Kind() == reflect.String], "]")
		g.walk(t.Elem(), name+"[]", func(value string) string { return wrap("[" + value + "]") })
	case t.Kind() == reflect.Map:
		g.attack(name+" most", wrap("{"+numbered(`"k%d":null`, fieldBytes/14)+"}"))
		g.attack(name+" longest key", wrap(`{"`+strings.Repeat("k", fieldBytes)+`":""}`))
		g.walk(t.Elem(), name+"{}", func(value string) string { return wrap(`{"k":` + value + `}`) })
	case t.Kind() == reflect.Bool:
	case strings.HasPrefix(t.Kind().String(), "int"):
		g.attack(name+" longest", wrap(strings.Repeat("9", fieldBytes)))
	default:
		g.attack(name+" longest", wrap(`"`+strings.Repeat("x", fieldBytes)+`"`))
		g.attack(name+" deepest", wrap(strings.Repeat(`{"a":[`, 4000)+strings.Repeat("]}", 4000)))
	}
}

// chartMemory is the limit that the chart gives to GOMEMLIMIT, in bytes.
func chartMemory(tb testing.TB) string {
	tb.Helper()
	values, err := os.ReadFile("../../deploy/chart/values.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	match := regexp.MustCompile(`(?s)\n  limits:\n.*?\n    memory: (\d+)Mi\n`).FindSubmatch(values)
	if match == nil {
		tb.Fatal("the chart's values have no resources.limits.memory in Mi")
	}
	return string(match[1]) + "MiB"
}
