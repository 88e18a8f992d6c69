package webhook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/bounded"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/jsonscan"
)

// FuzzReadReview holds the reading of a review to the plain decoder: what that
// one takes is taken, and the fields that decide read the same. Ours takes more
// where nobody looks, and refuses fields that stand twice.
func FuzzReadReview(f *testing.F) {
	for _, seed := range reviewSeeds() {
		f.Add([]byte(seed))
	}
	engine := graft.New(graft.Config{Rules: identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()}})
	ns := identity.Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: api.Enabled}}
	f.Fuzz(func(t *testing.T, data []byte) {
		var pod graft.Pod
		got, version, err := readReview(data, func(s *jsonscan.Scanner) { pod = graft.ReadPod(s) })
		var plain admissionv1.AdmissionReview
		if plainErr := kjson.Unmarshal(data, &plain); plainErr != nil {
			if !json.Valid(data) && err == nil {
				t.Fatalf("%.300q is no JSON, and was taken", data)
			}
			return
		}
		if (plain.APIVersion != versionV1 && plain.APIVersion != versionV1beta1) || plain.Kind != "AdmissionReview" || plain.Request == nil {
			if err == nil {
				t.Fatalf("%.300q is no review, and was taken", data)
			}
			return
		}
		if err != nil {
			if !strings.Contains(err.Error(), "stands twice") && !strings.Contains(err.Error(), "an API server writes at most") {
				t.Fatalf("%.300q: %v", data, err)
			}
			return
		}
		if version != plain.APIVersion {
			t.Errorf("%.300q: version %q", data, version)
		}
		if diff := cmp.Diff(decisive(plain.Request), decisive(&got.AdmissionRequest)); diff != "" {
			t.Errorf("%.300q: -plain, +got:\n%s", data, diff)
		}
		if got.Object.Raw == nil {
			return
		}
		alone, within := engine.Inspect(ns, got.Object.Raw).Decision, engine.InspectPod(ns, pod).Decision
		if diff := cmp.Diff(alone, within); diff != "" {
			t.Errorf("%.300q: -read alone, +read within the review:\n%s", data, diff)
		}
	})
}

func reviewSeeds() []string {
	const head = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":`
	return []string{
		head + `{"uid":"u","kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"},"subResource":"x","requestKind":{"kind":"Y"},"name":"n","namespace":"ns","operation":"CREATE","userInfo":{"username":"u","extra":{"a":["b"]}},"object":{"a":[1]},"oldObject":null,"dryRun":true,"options":{}}}`,
		head + `{"dryRun":false,"object":null}}`, head + `{"dryRun":null,"object": 3 ,"uid":null}}`, head + `{}}`, head + `null}`, head + `[]}`,
		head + `{"dryRun":1}}`, head + `{"uid":1}}`, head + `{"object":{"a":"\ud800"},"namespace":"\u0061\ud800"}}`, head + `{"NAMESPACE":"x","namespace":"y","namespacE":"z"}}`,
		head + `{"object":{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":[{"name":"app"}]}},"namespace":"x"}}`,
		head + `{"object":{"metadata":{"labels":{"app.kubernetes.io/name":[1,{"a":2}]}},"spec":{}},"namespace":"x"}}`, head + `{"object":{"metadata":{},"metadata":{"a":[1]}},"uid":"u"}}`,
		head + `{"namespace":"x","namespace":"y"}}`, head + `{"object":{},"object":{"a":1}}}`, head + `{},"request":{}}`,
		`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{}}`, `{"request":{}}`, `null`, `[]`, ``, `{}{}`,
	}
}

// decisive are the fields that somebody reads, as JSON.
func decisive(r *admissionv1.AdmissionRequest) string {
	raw := r.Object.Raw
	if string(raw) == "null" {
		raw = nil
	}
	text, err := json.Marshal([]any{r.UID, r.Kind, r.Resource, r.SubResource, bounded.Text(r.Name, bounded.Name), r.Namespace, r.Operation, r.DryRun, string(raw)})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// FuzzAnswer holds what is written to what encoding/json would write.
func FuzzAnswer(f *testing.F) {
	f.Add("uid", "message", "a warning", "/spec/containers/0/envFrom", `{"x":[1,"é"]}`)
	f.Add("\xff", "<&>\u2028\"\\\n", "\x7f\x00", "~1~0", `"\ud800"`)
	f.Add("", "", "", "", "null")
	limits := newLimits(testLimits())
	f.Fuzz(func(t *testing.T, uid, message, warning, path, raw string) {
		message = bounded.Middle(message, bounded.Message)
		if !json.Valid([]byte(raw)) {
			raw = "{}"
		}
		response := admission.Response{
			Patches: []jsonpatch.Operation{
				{Operation: "add", Path: path, Value: []any{json.RawMessage(raw), map[string]any{"secretRef": map[string]any{"name": message, "optional": true}}}},
				{Operation: "remove", Path: path},
				{Operation: "add", Path: path, Value: map[string]string{message: warning, "b": uid}},
				{Operation: "add", Path: path, Value: message},
				{Operation: "add", Path: path, Value: struct{ N *int }{}},
			},
			AdmissionResponse: admissionv1.AdmissionResponse{
				Allowed: true, Warnings: []string{warning, message}, Result: &metav1.Status{Code: 200, Message: message, Reason: metav1.StatusReason(warning)},
			},
		}
		a := limits.newAnswer()
		defer a.release()
		if fits, err := a.writePatch(response.Patches); !fits || err != nil {
			t.Fatalf("fits %t, error %v", fits, err)
		}
		if got, want := generic(t, a.patch.data), generic(t, marshal(t, response.Patches)); got != want {
			t.Errorf("patch: got %s, want %s", got, want)
		}
		a.write(versionV1, types.UID(uid), &response)

		want := admissionv1.AdmissionReview{Response: &response.AdmissionResponse}
		want.APIVersion, want.Kind = "admission.k8s.io/v1", "AdmissionReview"
		want.Response.UID, want.Response.Patch = types.UID(uid), a.patch.data
		patchType := admissionv1.PatchTypeJSONPatch
		want.Response.PatchType = &patchType
		if got, want := generic(t, a.data), generic(t, marshal(t, want)); got != want {
			t.Errorf("review: got %s, want %s", got, want)
		}
	})
}

func marshal(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// generic writes a document with its keys in order.
func generic(t *testing.T, text []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return string(marshal(t, value))
}
