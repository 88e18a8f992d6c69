package cli_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/manifest"
)

// fakeCluster is an API server of few objects, for goldens: the real one is
// test/integration's. It knows which requests are forbidden, and counts requests.
type fakeCluster struct {
	objects []*unstructured.Unstructured
	// forbidden are resources that may not be read, as "secrets" or
	// "deployments.apps@", where "@" stands for lists of the whole cluster, or
	// methods, as "POST:pods".
	forbidden []string
	// admission is what a dry run of a pod answers: a refusal, or nothing.
	admission string
	// others is a JSON patch of another webhook, for the pod of a dry run.
	others   string
	requests []string
}

// startCluster serves the objects of cluster.yaml, or of the file that the file
// cluster names, where a case has either.
func startCluster(t *testing.T) (args []string) {
	t.Helper()
	file := strings.TrimSpace(readOptional(t, "cluster"))
	if file == "" {
		file = "cluster.yaml"
		if _, err := os.Stat(file); err != nil {
			return nil
		}
	}
	fake := &fakeCluster{forbidden: strings.Fields(readOptional(t, "forbidden")), admission: strings.TrimSpace(readOptional(t, "admission")), others: readOptional(t, "others.json")}
	stream, err := manifest.Read(manifest.Options{Paths: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := stream.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var list unstructured.UnstructuredList
	if err := yaml.Unmarshal([]byte(text.String()), &list); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		fake.objects = append(fake.objects, &list.Items[i])
	}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	t.Setenv("KUBECONFIG", os.DevNull)
	return []string{"--server", server.URL}
}

func readOptional(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func (f *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) == 3 && parts[1] == "external-secrets.io" {
		f.discover(w, parts[2])
		return
	}
	group, version := "", parts[1]
	parts = parts[1:]
	if strings.HasPrefix(r.URL.Path, "/apis/") {
		group, version = parts[0], parts[1]
		parts = parts[1:]
	}
	parts = parts[1:]
	namespace := ""
	if len(parts) > 2 && parts[0] == "namespaces" {
		namespace, parts = parts[1], parts[2:]
	}
	name := ""
	if len(parts) > 1 {
		name = parts[1]
	}
	f.answer(w, r, query{group, version, parts[0], namespace, name})
}

type query struct{ group, version, resource, namespace, name string }

func (q query) String() string {
	if q.group != "" {
		return q.resource + "." + q.group
	}
	return q.resource
}

func (f *fakeCluster) answer(w http.ResponseWriter, r *http.Request, q query) {
	everywhere := q.namespace == "" && q.name == ""
	switch {
	case slices.Contains(f.forbidden, q.String()), slices.Contains(f.forbidden, r.Method+":"+q.String()), everywhere && slices.Contains(f.forbidden, q.String()+"@"):
		fail(w, http.StatusForbidden, metav1.StatusReasonForbidden, q.String()+` is forbidden: User "jane" cannot `+strings.Replace(strings.ToLower(r.Method), "post", "create", 1)+` resource`)
	case r.Method == http.MethodPost && f.admission != "":
		fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, f.admission)
	case r.Method == http.MethodPost:
		w.Header().Set("Warning", "299 - \"this is the webhook's\"")
		f.admit(w, r, q.namespace)
	case q.name != "":
		f.get(w, q)
	default:
		f.list(w, r, q)
	}
}

// admit answers a dry run as an API server that calls envgraft, another webhook,
// and envgraft again.
func (f *fakeCluster) admit(w http.ResponseWriter, r *http.Request, namespace string) {
	pod, err := io.ReadAll(r.Body)
	if err == nil {
		pod, err = f.graft(pod, namespace)
	}
	if err == nil && f.others != "" {
		var patch jsonpatch.Patch
		if patch, err = jsonpatch.DecodePatch([]byte(f.others)); err == nil {
			pod, err = patch.Apply(pod)
		}
		if err == nil {
			pod, err = f.graft(pod, namespace)
		}
	}
	if err != nil {
		fail(w, http.StatusInternalServerError, metav1.StatusReasonInternalError, err.Error())
		return
	}
	write(w, http.StatusCreated, json.RawMessage(pod))
}

func (f *fakeCluster) graft(pod []byte, namespace string) ([]byte, error) {
	configuration := config.Default()
	configuration.Environment = "stage"
	ns := identity.Namespace{Name: namespace}
	if o := f.object("Namespace", namespace); o != nil {
		ns.Labels, ns.Annotations = o.GetLabels(), o.GetAnnotations()
	}
	subject := graft.New(configuration.Engine()).Inspect(ns, pod)
	facts := graft.Facts{Parameter: graft.Parameter{State: graft.ParameterNotFound}, ConfigMap: graft.ConfigMap{State: graft.ConfigMapNotFound}}
	if o := f.object("ConfigMap", subject.Identity.ConfigMap); o != nil {
		facts.ConfigMap = graft.ConfigMap{State: graft.ConfigMapFound, Keys: dataKeys(o)}
	}
	if o := f.object("Secret", subject.Identity.Secret); o != nil {
		facts.Parameter = graft.Parameter{State: graft.ParameterFound, Keys: dataKeys(o)}
	}
	text, err := json.Marshal(subject.Graft(facts).Operations)
	if err != nil || string(text) == "null" {
		return pod, err
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	return patch.Apply(pod)
}

func (f *fakeCluster) object(kind, name string) *unstructured.Unstructured {
	for _, o := range f.objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	return nil
}

func dataKeys(o *unstructured.Unstructured) []string {
	data, _, err := unstructured.NestedMap(o.Object, "data")
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(data))
}

// discover serves ESO where an object of it is there.
func (f *fakeCluster) discover(w http.ResponseWriter, version string) {
	for _, o := range f.objects {
		if o.GetAPIVersion() == "external-secrets.io/"+version {
			write(w, http.StatusOK, map[string]any{"kind": "APIResourceList", "apiVersion": "v1"})
			return
		}
	}
	fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")
}

func (f *fakeCluster) get(w http.ResponseWriter, q query) {
	for _, o := range f.objects {
		if q.matches(o) && o.GetName() == q.name {
			write(w, http.StatusOK, o.Object)
			return
		}
	}
	fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, q.resource+" \""+q.name+"\" not found")
}

func (f *fakeCluster) list(w http.ResponseWriter, r *http.Request, q query) {
	if q.group == "external-secrets.io" && q.version != "v1" || q.group == "argoproj.io" && !slices.ContainsFunc(f.objects, q.matches) {
		fail(w, http.StatusNotFound, metav1.StatusReasonNotFound, "the server could not find the requested resource")
		return
	}
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		fail(w, http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		return
	}
	items := []any{}
	for _, o := range f.objects {
		if q.matches(o) && selector.Matches(labels.Set(o.GetLabels())) && selectsFields(r.URL.Query().Get("fieldSelector"), o) {
			items = append(items, seen(r, o))
		}
	}
	write(w, http.StatusOK, map[string]any{"kind": "List", "apiVersion": "v1", "metadata": map[string]any{}, "items": items})
}

// seen is what an answer holds of an object: its metadata, where no more is asked for.
func seen(r *http.Request, o *unstructured.Unstructured) any {
	if !strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
		return o.Object
	}
	return map[string]any{"metadata": o.Object["metadata"]}
}

// selectsFields knows "a.b=c" and "a.b!=c".
func selectsFields(selector string, o *unstructured.Unstructured) bool {
	for term := range strings.SplitSeq(selector, ",") {
		if term == "" {
			continue
		}
		field, want, _ := strings.Cut(term, "=")
		field, not := strings.CutSuffix(field, "!")
		have, _, err := unstructured.NestedString(o.Object, strings.Split(field, ".")...)
		if err != nil || (have == want) == not {
			return false
		}
	}
	return true
}

func (q query) matches(o *unstructured.Unstructured) bool {
	group, version := path.Split(o.GetAPIVersion())
	return strings.TrimSuffix(group, "/") == q.group && version == q.version &&
		strings.ToLower(o.GetKind())+"s" == q.resource && (q.namespace == "" || o.GetNamespace() == q.namespace || o.GetKind() == "Namespace")
}

func fail(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	write(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: int32(code), Reason: reason, Message: message, //nolint:gosec // three digits
	})
}

func write(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(value) //nolint:errchkjson // a client that is gone needs no answer
}
