package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
)

// TestEveryFieldOfAPod generates a pod for each field that the API server's
// schema has, and holds the webhook to changing nothing of it: what the server
// takes plain it takes injected, and makes the same of it; what it refuses, it
// refuses for the same reasons.
func TestEveryFieldOfAPod(t *testing.T) {
	b := start(t)
	plain, opted := b.namespace(t, nil), b.namespace(t, optedIn())
	b.app(t, opted)
	s := b.podSchema(t)
	var taken, refused int
	for _, path := range s.paths("io.k8s.api.core.v1.Pod", "") {
		if slices.ContainsFunc(notCreated(), func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
			continue
		}
		document := s.pod(path)
		want, wantErr := b.dryRun(t, plain, document)
		got, gotErr := b.dryRun(t, opted, document)
		switch {
		case wantErr == nil && gotErr == nil:
			taken++
			if !strings.Contains(fmt.Sprint(got), "myapp-secrets") {
				t.Errorf("%s: not injected", path)
			}
			if diff := cmp.Diff(rest(want), rest(got)); diff != "" {
				t.Errorf("%s: -plain, +injected:\n%s", path, diff)
			}
		case fmt.Sprint(wantErr) != fmt.Sprint(gotErr):
			t.Errorf("%s: plain: %v, injected: %v", path, wantErr, gotErr)
		default:
			refused++
			t.Logf("refused with and without: %v", wantErr)
		}
	}
	t.Logf("%d fields were taken, and %d refused", taken, refused)
	if taken < 500 || refused > taken/4 {
		t.Errorf("%d fields were taken, and %d refused: say in examples what the API server takes", taken, refused)
	}
}

// notCreated are fields that no request to create a pod has a say in, or that
// all objects have.
func notCreated() []string {
	return []string{"apiVersion", "kind", "metadata.", "status.", "spec.ephemeralContainers"}
}

// example is a value that validation asks for where the schema does not.
type example struct {
	path  string // the end of the field's
	value string // in JSON
	// unless one of these fields below it is asked for: the value is another of
	// which there may be one.
	unless []string
}

// examples are looked for in their order; where none fits, a text is "x", a
// number 1 and a list has one element.
func examples() []example {
	handlers := []string{"exec", "grpc", "httpGet", "tcpSocket"}
	return []example{
		{path: "initContainers[]", value: `{"name": "init", "image": "x", "restartPolicy": "Always"}`},
		{path: "initContainers[].name", value: `"init"`},
		{path: "restartPolicy", value: `"Always"`},
		{path: "Probe", value: `{"tcpSocket": {"port": 80}}`, unless: handlers},
		{path: "configMapKeyRef", value: `{"name": "x", "key": "x"}`},
		{path: "secretKeyRef", value: `{"name": "x", "key": "x"}`},
		{path: "fieldRef", value: `{"fieldPath": "metadata.name"}`},
		{path: "fieldRef.apiVersion", value: `"v1"`},
		{path: "fieldPath", value: `"metadata.name"`},
		{path: "resourceFieldRef", value: `{"containerName": "app", "resource": "limits.cpu"}`},
		{path: "resourceFieldRef.containerName", value: `"app"`},
		{path: "resourceFieldRef.resource", value: `"limits.cpu"`},
		{path: "divisor", value: `"1"`},
		{path: "envFrom[]", value: `{"configMapRef": {"name": "x"}}`, unless: []string{"configMapRef", "secretRef"}},
		{path: "configMapRef", value: `{"name": "x"}`},
		{path: "secretRef", value: `{"name": "x"}`},
		{path: "matchExpressions[]", value: `{"key": "x", "operator": "In", "values": ["x"]}`},
		{path: "matchFields[]", value: `{"key": "metadata.name", "operator": "In", "values": ["x"]}`},
		{path: "matchFields[].key", value: `"metadata.name"`},
		{path: "tolerations[]", value: `{"key": "x", "operator": "Exists"}`},
		{path: "tolerations[].operator", value: `"Exists"`},
		{path: "operator", value: `"In"`},
		{path: "limits", value: `{"cpu": "1"}`},
		{path: "requests", value: `{"cpu": "1"}`},
		{path: "hostAliases[]", value: `{"ip": "10.0.0.1", "hostnames": ["x"]}`},
		{path: "hostAliases[].ip", value: `"10.0.0.1"`},
		{path: "nameservers[]", value: `"10.0.0.1"`},
		{path: "resourceName", value: `"cpu"`},
		{path: "volumes[].secret", value: `{"secretName": "x"}`},
		{path: "sources[].secret", value: `{"name": "x"}`},
		{path: "configMap", value: `{"name": "x"}`},
		{path: "downwardAPI.items[]", value: `{"path": "x", "fieldRef": {"fieldPath": "metadata.name"}}`, unless: []string{"resourceFieldRef"}},
		{path: "accessModes", value: `["ReadWriteOnce"]`},
		{path: "volumeClaimTemplate", value: `{"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}`},
		{path: "volumeClaimTemplate.spec.resources", value: `{"requests": {"storage": "1Gi"}}`},
		{path: "nfs.path", value: `"/x"`},
		{path: "nfs", value: `{"server": "x", "path": "/x"}`},
		{path: "iqn", value: `"iqn.2001-04.com.example:x"`},
		{path: "iscsi", value: `{"iqn": "iqn.2001-04.com.example:x", "lun": 0, "targetPortal": "x"}`},
		{path: "signerName", value: `"example.com/x"`},
		{path: "scaleIO", value: `{"gateway": "x", "system": "x", "secretRef": {"name": "x"}, "volumeName": "x"}`},
		{path: "storageos", value: `{"volumeName": "x"}`},
		{path: "requiredDuringSchedulingIgnoredDuringExecution[]", value: `{"topologyKey": "x", "labelSelector": {"matchLabels": {"x": "x"}}}`},
		{path: "podAffinityTerm", value: `{"topologyKey": "x", "labelSelector": {"matchLabels": {"x": "x"}}}`},
	}
}

// podSchema is what the API server publishes.
type podSchema map[string]map[string]any

func (b *bench) podSchema(t *testing.T) podSchema {
	t.Helper()
	k, err := kubernetes.NewForConfig(b.env.Config)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := k.RESTClient().Get().AbsPath("/openapi/v3/api/v1").SetHeader("Accept", "application/json").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct{ Schemas podSchema }
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	return document.Components.Schemas
}

// resolve follows references.
func (s podSchema) resolve(schema map[string]any) map[string]any {
	if all, ok := schema["allOf"].([]any); ok && len(all) == 1 {
		schema = all[0].(map[string]any)
	}
	if ref, ok := schema["$ref"].(string); ok {
		return s.resolve(s[strings.TrimPrefix(ref, "#/components/schemas/")])
	}
	return schema
}

// paths lists all fields below a schema: "spec.containers[].name".
func (s podSchema) paths(name, path string) []string { return s.below(s[name], path) }

func (s podSchema) below(schema map[string]any, path string) []string {
	schema = s.resolve(schema)
	if items, ok := schema["items"].(map[string]any); ok {
		return s.below(items, path+"[]")
	}
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) == 0 {
		return []string{path}
	}
	var paths []string
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		paths = append(paths, s.below(properties[key].(map[string]any), strings.TrimPrefix(path+"."+key, "."))...)
	}
	return paths
}

// pod makes a pod that has the field at a path, and what that asks for.
func (s podSchema) pod(path string) map[string]any {
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "myapp", "labels": map[string]any{api.LabelName: "myapp"}},
		"spec": map[string]any{
			"containers": []any{map[string]any{"name": "app", "image": "x", "env": []any{map[string]any{"name": "DEBUG", "value": "true"}}}},
		},
	}
	if strings.Contains(path, "volumeMounts[]") || strings.Contains(path, "fileKeyRef") {
		pod["spec"].(map[string]any)["volumes"] = []any{map[string]any{"name": "x", "emptyDir": map[string]any{}}}
	}
	s.put(pod, s["io.k8s.api.core.v1.Pod"], path, "")
	return pod
}

func (s podSchema) put(into, schema map[string]any, path, at string) {
	key, rest, _ := strings.Cut(path, ".")
	next, _, _ := strings.Cut(strings.Split(rest, ".")[0], "[")
	field, list := strings.CutSuffix(key, "[]")
	property := s.resolve(s.resolve(schema)["properties"].(map[string]any)[field].(map[string]any))
	at = strings.TrimPrefix(at+"."+key, ".")
	if list {
		property = s.resolve(property["items"].(map[string]any))
	}
	value := s.value(property, at, next)
	have, known := into[field]
	switch {
	case list && known && field == "containers":
		value = have.([]any)[0]
	case list:
		into[field] = []any{value}
	case known && rest != "":
		value = have
	default:
		into[field] = value
	}
	if rest != "" {
		s.put(value.(map[string]any), property, rest, at)
	}
}

// value makes the least that a schema takes; next is the field below that is to come.
func (s podSchema) value(schema map[string]any, at, next string) any {
	for _, example := range examples() {
		if strings.HasSuffix(at, example.path) && !slices.Contains(example.unless, next) {
			var value any
			if err := utiljson.Unmarshal([]byte(example.value), &value); err != nil {
				panic(fmt.Sprintf("example of %s: %v", example.path, err))
			}
			return value
		}
	}
	schema = s.resolve(schema)
	if enum, ok := schema["enum"].([]any); ok {
		return enum[0]
	}
	if items, ok := schema["items"].(map[string]any); ok {
		return []any{s.value(items, at+"[]", "")}
	}
	switch schema["type"] {
	case "boolean":
		return true
	case "integer", "number":
		return int64(1)
	case "object":
		value := make(map[string]any)
		if more, ok := schema["additionalProperties"].(map[string]any); ok {
			value["x"] = s.value(more, at+"{}", "")
		}
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		for _, key := range required {
			value[key.(string)] = s.value(properties[key.(string)].(map[string]any), at+"."+key.(string), "")
		}
		return value
	}
	return "x"
}

// dryRun creates a pod, and not really.
func (b *bench) dryRun(t *testing.T, namespace string, document map[string]any) (map[string]any, error) {
	t.Helper()
	pod := (&unstructured.Unstructured{Object: document}).DeepCopy()
	pod.SetNamespace(namespace)
	err := b.client.Create(t.Context(), pod, client.DryRunAll, client.FieldValidation("Strict"))
	return pod.Object, err
}

// rest is what of a pod is neither env nor envgraft's.
func rest(pod map[string]any) map[string]any {
	delete(pod, "metadata")
	spec := pod["spec"].(map[string]any)
	for _, list := range []string{"containers", "initContainers"} {
		containers, _ := spec[list].([]any)
		for _, c := range containers {
			delete(c.(map[string]any), "env")
			delete(c.(map[string]any), "envFrom")
		}
	}
	return pod
}
