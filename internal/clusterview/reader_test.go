package clusterview

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/graft"
)

// server is an API server of few answers, by path. What has none does not exist.
type server struct {
	answers map[string]string
	// forbidden are paths that may not be read.
	forbidden []string
	asked     []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := r.Method + " " + r.URL.Path
	if fields := r.URL.Query().Get("fieldSelector"); fields != "" {
		asked += "?" + fields
	}
	s.asked = append(s.asked, asked)
	w.Header().Set("Content-Type", "application/json")
	answer, ok := s.answers[asked]
	if !ok {
		answer, ok = s.answers[r.Method+" "+r.URL.Path]
	}
	switch {
	case slices.Contains(s.forbidden, r.URL.Path):
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, "is forbidden: User \"jane\" cannot do that")
	case strings.HasPrefix(answer, "refuse "):
		refuse(w, http.StatusForbidden, metav1.StatusReasonForbidden, strings.TrimPrefix(answer, "refuse "))
	case !ok:
		refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound, "not found")
	default:
		raw, err := yaml.YAMLToJSON([]byte(answer))
		if err != nil {
			panic(err) // the test's own text
		}
		if r.Method == http.MethodPost {
			w.Header().Set("Warning", `299 - "a warning"`)
		}
		_, _ = w.Write(raw) // a client that is gone needs no answer
	}
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(metav1.Status{ //nolint:errchkjson // likewise
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message, //nolint:gosec // three digits
	})
}

func start(t *testing.T, s *server) *Reader {
	t.Helper()
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	r, err := NewReader(&rest.Config{Host: web.URL})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	shopTemplate = `{metadata: {labels: {app.kubernetes.io/name: shop}}, spec: {containers: [{name: shop}]}}`
	eso          = "/apis/external-secrets.io/v1"
)

// cluster has one app in namespace shop.
func cluster() *server {
	owner := func(kind, name string) string {
		return `ownerReferences: [{apiVersion: apps/v1, kind: ` + kind + `, name: ` + name + `, uid: u, controller: true}]`
	}
	ours := `annotations: {envgraft.dev/injected: Secret/shop-secrets, envgraft.dev/parameter: /shop/shop/prod/app, envgraft.dev/parameter-version: "3"}`
	return &server{answers: map[string]string{
		"GET /api/v1/namespaces":      `{items: [{metadata: {name: shop, labels: {envgraft.dev/inject: enabled}}}]}`,
		"GET /api/v1/namespaces/shop": `{metadata: {name: shop, labels: {envgraft.dev/inject: enabled, envgraft.dev/environment: prod}}}`,
		"GET /apis/apps/v1/namespaces/shop/deployments": `{items: [
			{metadata: {name: shop, namespace: shop}, spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: ` + shopTemplate + `}},
			{metadata: {name: owned, namespace: shop, ownerReferences: [{apiVersion: example.org/v1, kind: Shop, name: x, uid: u, controller: true}]}, spec: {replicas: 0, template: ` + shopTemplate + `}}]}`,
		"GET /apis/apps/v1/namespaces/shop/deployments/shop":          `{metadata: {name: shop, namespace: shop}, spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: ` + shopTemplate + `}, status: {conditions: [{type: ReplicaFailure, status: "True", message: exceeded quota}]}}`,
		"GET /apis/apps/v1/namespaces/shop/statefulsets":              `{items: [{metadata: {name: db, namespace: shop}, spec: {replicas: 1, selector: {matchLabels: {a: b}}, template: ` + shopTemplate + `}}]}`,
		"GET /apis/apps/v1/namespaces/shop/statefulsets/db":           `{metadata: {name: db, namespace: shop}, spec: {selector: {matchLabels: {a: b}}, template: ` + shopTemplate + `}}`,
		"GET /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts":     `{items: [{metadata: {name: web, namespace: shop}, spec: {workloadRef: {kind: Deployment, name: shop}}}]}`,
		"GET /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web": `{metadata: {name: web, namespace: shop}, spec: {workloadRef: {kind: Deployment, name: shop}}}`,
		"GET /apis/batch/v1/namespaces/shop/cronjobs":                 `{items: [{metadata: {name: nightly, namespace: shop}, spec: {jobTemplate: {spec: {template: ` + shopTemplate + `}}}}]}`,
		"GET /apis/batch/v1/namespaces/shop/cronjobs/nightly":         `{metadata: {name: nightly, namespace: shop, uid: u}, spec: {jobTemplate: {spec: {template: ` + shopTemplate + `}}}}`,
		"GET /apis/batch/v1/namespaces/shop/jobs": `{items: [
			{metadata: {name: nightly-28, namespace: shop, ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: u, controller: true}]}, spec: {template: ` + shopTemplate + `}},
			{metadata: {name: migrate-1, namespace: shop}, spec: {template: ` + shopTemplate + `}},
			{metadata: {name: migrate-0, namespace: shop}, spec: {template: ` + shopTemplate + `}, status: {conditions: [{type: Failed, status: "True"}]}}]}`,
		"GET /api/v1/namespaces/shop/pods?" + pending: `{items: [{metadata: {name: migrate-1-x, namespace: shop, ` + ours + `, ` + owner("Job", "migrate-1") + `},
			status: {phase: Pending, containerStatuses: [{state: {waiting: {reason: CreateContainerConfigError, message: no key}}}]}}]}`,
		"GET /api/v1/namespaces/shop/pods?" + started: `{items: [
			{metadata: {name: shop-5d-x, namespace: shop, labels: {pod-template-hash: 5d}, ` + ours + `, ` + owner("ReplicaSet", "shop-5d") + `}},
			{metadata: {name: nightly-28-x, namespace: shop, ` + ours + `, ` + owner("Job", "nightly-28") + `}}]}`,
		"GET /api/v1/namespaces/shop/pods": `{items: [
			{metadata: {name: shop-5d-x, namespace: shop, labels: {pod-template-hash: 5d}, ` + ours + `, ` + owner("ReplicaSet", "shop-5d") + `}, status: {phase: Running}},
			{metadata: {name: nightly-28-x, namespace: shop, ` + owner("Job", "nightly-28") + `}},
			{metadata: {name: bare, namespace: shop}}]}`,
		"GET /api/v1/namespaces/shop/pods/bare":              `{metadata: {name: bare, namespace: shop, labels: {app.kubernetes.io/name: shop}}, spec: {containers: [{name: shop}]}}`,
		"POST /api/v1/namespaces/shop/pods":                  `{metadata: {annotations: {envgraft.dev/injected: x}}}`,
		"GET /api/v1/namespaces/shop/configmaps/shop-config": `{metadata: {creationTimestamp: "2026-01-01T00:00:00Z"}, data: {MODE: x}}`,
		"GET /api/v1/namespaces/shop/secrets/shop-secrets": `{metadata: {creationTimestamp: "2026-01-01T00:00:00Z", labels: {reload: "true"},
			managedFields: [{time: "2026-01-02T00:00:00Z", fieldsV1: {"f:data": {}}}], ` + owner("ExternalSecret", "shop-external") + `}, data: {API_KEY: eA==}}`,
		"GET " + eso: `{kind: APIResourceList}`,
		"GET " + eso + "/namespaces/shop/externalsecrets": `{items: [{metadata: {name: shop-external, namespace: shop, labels: {app.kubernetes.io/managed-by: envgraft},
			annotations: {envgraft.dev/keys: '{"parameter":"/shop/shop/prod/app","store":"ClusterSecretStore/aws-ssm","version":3,"asOf":"2026-01-01T00:00:00Z","keys":["API_KEY"]}'}},
			spec: {secretStoreRef: {kind: ClusterSecretStore, name: aws-ssm}, target: {name: shop-secrets}, dataFrom: [{extract: {key: /shop/shop/prod/app}}]},
			status: {conditions: [{type: Ready, status: "False", reason: SecretSyncedError}]}}]}`,
		"GET " + eso + "/clustersecretstores/aws-ssm": `{status: {conditions: [{type: Ready, status: "False", reason: Bad, message: no role}]}}`,
		"GET /apis/apps/v1/deployments": `{items: [{metadata: {name: e, namespace: ops, labels: {app.kubernetes.io/name: envgraft}}},
			{metadata: {name: x, namespace: ops, labels: {app.kubernetes.io/name: external-secrets}}}, {metadata: {name: r, namespace: ops}}]}`,
		"GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/envgraft": `{webhooks: [{name: a, clientConfig: {url: "https://x/mutate/pods"}},
			{name: b, clientConfig: {service: {namespace: ops, name: w, path: /mutate/workloads}}}]}`,
		"GET /api/v1/namespaces/ops/services/w":                       `{metadata: {name: w}}`,
		"GET /apis/discovery.k8s.io/v1/namespaces/ops/endpointslices": `{items: [{endpoints: [{conditions: {ready: true}}, {conditions: {ready: false}}, {}]}]}`,
		"GET /api/v1/namespaces/shop/events?involvedObject.kind=ExternalSecret,type=Warning": `{items: [
			{metadata: {namespace: shop}, message: later, lastTimestamp: "2026-01-02T00:00:00Z", involvedObject: {name: shop-external}},
			{metadata: {namespace: shop}, message: earlier, eventTime: "2026-01-01T00:00:00Z", involvedObject: {name: shop-external}}]}`,
		"GET /api/v1/namespaces/shop/events?involvedObject.kind=ExternalSecret,involvedObject.name=shop-external,type=Warning": `{items: [{message: only, lastTimestamp: "2026-01-02T00:00:00Z"}]}`,
		"GET /api/v1/namespaces/shop/events?reason=FailedCreate":                                                               `{items: [{metadata: {namespace: shop}, message: no room, involvedObject: {kind: StatefulSet, name: db}}]}`,
		"GET /api/v1/namespaces/shop/events?involvedObject.kind=StatefulSet,involvedObject.name=db,reason=FailedCreate":        `{items: [{message: no room}]}`,
		"GET /api/v1/namespaces/envgraft-system/configmaps/envgraft":                                                           "{data: {config.yaml: \"apiVersion: config.envgraft.dev/v1alpha1\\nkind: Configuration\\nenvironment: stage\\n\"}}",
		"GET /api/v1/namespaces/envgraft-system/configmaps/broken":                                                             `{data: {config.yaml: "x: y"}}`,
	}}
}

// TestOverview lists Jobs that have not ended, what an operator's object owns,
// and Rollouts that borrow their template; and it reads Events only for faults.
func TestOverview(t *testing.T) {
	s := cluster()
	o := start(t, s).Overview(t.Context(), assume("nobody looked", false), "shop", "")
	got := map[string]string{}
	for _, a := range o.Apps {
		text := a.Failure
		for _, p := range a.Pods.Value {
			judged := a.Judge(p)
			text += " " + p.Metadata.Name + ": " + string(judged.Freshness) + " " + judged.Why
		}
		got[a.Workload.String()] = strings.TrimSpace(text)
	}
	want := map[string]string{
		"deployment.apps/shop":    "shop-5d-x: fresh it was admitted by version 3 of the parameter",
		"deployment.apps/owned":   "",
		"statefulset.apps/db":     "no room",
		"rollout.argoproj.io/web": "",
		"cronjob.batch/nightly":   "nightly-28-x: fresh it was admitted by version 3 of the parameter",
		"job.batch/migrate-1":     "migrate-1-x: waiting CreateContainerConfigError: no key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if o.Complaints["shop/shop-external"].Text != "later" || len(o.Causes) > 0 {
		t.Errorf("the complaints are %v, the causes %v", o.Complaints, o.Causes)
	}
}

// TestOverviewWithoutRights says what could not be listed.
func TestOverviewWithoutRights(t *testing.T) {
	s := cluster()
	s.forbidden = []string{"/api/v1/namespaces", "/api/v1/pods", "/apis/apps/v1/deployments"}
	r := start(t, s)
	o := r.Overview(t.Context(), assume("nobody looked", false), "", "")
	for _, want := range []string{"you may not list namespaces", "you may not list pods", "you may not list deployments.apps", "the cluster serves no ExternalSecrets"} {
		if !slices.Contains(o.Causes, want) {
			t.Errorf("the causes lack %q: %q", want, o.Causes)
		}
	}
	if len(r.Missing()) != 3 || len(r.Renew().Missing()) != 0 {
		t.Errorf("missing are %v", r.Missing())
	}
}

// TestApp reads a workload of each kind in full.
func TestApp(t *testing.T) {
	r := start(t, cluster())
	for target, want := range map[string]struct {
		pods, wanted int
		failure      string
	}{
		"deploy/shop": {1, 2, "exceeded quota"}, "sts/db": {0, 1, "no room"}, "ro/web": {0, 1, ""}, "cronjob/nightly": {1, 0, ""}, "pod/bare": {1, 1, ""},
	} {
		ref, err := ParseRef("shop", target)
		if err != nil {
			t.Fatal(err)
		}
		w := r.Workload(t.Context(), ref)
		if w.State != Found || len(w.Value.Template) == 0 || len(w.Value.Containers()) != 1 {
			t.Fatalf("%s is %s, %s", target, w.State, w.Cause)
		}
		a := r.App(t.Context(), assume("nobody looked", false), w.Value)
		if len(a.Pods.Value) != want.pods || w.Value.Wanted() != want.wanted || a.Failure != want.failure {
			t.Errorf("%s has %d pods of %d, %q; want %+v", target, len(a.Pods.Value), w.Value.Wanted(), a.Failure, want)
		}
		facts := a.Facts()
		if a.Subject.Status != graft.StatusInjected || a.ExternalSecret.SecretExists() || a.Version() != 3 ||
			!slices.Equal(facts.Parameter.Keys, []string{"API_KEY"}) || !slices.Equal(facts.ConfigMap.Keys, []string{"MODE"}) {
			t.Errorf("%s is %s, version %d, keys %v", target, a.Subject.Status, a.Version(), facts)
		}
		if secret := a.Secret.Value; secret.Labels["reload"] != "true" || secret.Maker != "shop-external" || secret.Changed.Day() != 2 {
			t.Errorf("%s: the Secret is %+v", target, secret)
		}
		if got := r.Complaint(t.Context(), a.ExternalSecret).Text; got != "only" {
			t.Errorf("%s: ESO says %q", target, got)
		}
	}
}

// TestInstallation reads what all apps share.
func TestInstallation(t *testing.T) {
	s := cluster()
	r := start(t, s)
	ctx := t.Context()
	if o := (Installation{r}).Operators(ctx).Value; len(o.Envgraft) == 0 || len(o.ESO) == 0 || len(o.Reloader) == 0 {
		t.Errorf("the operators are %+v", o)
	}
	webhooks := (Installation{r}).Webhooks(ctx, "envgraft").Value
	if webhooks.Webhooks[0].Path() != "/mutate/pods" || webhooks.Webhooks[1].Path() != "/mutate/workloads" {
		t.Errorf("the webhooks are %+v", webhooks)
	}
	if b := (Installation{r}).Backends(ctx, webhooks); b.State != Found || b.Value.Ready != 2 || b.Value.Service != "ops/w" {
		t.Errorf("behind the Service are %+v", b)
	}
	delete(s.answers, "GET /api/v1/namespaces/ops/services/w")
	if b := (Installation{r}).Backends(ctx, webhooks); b.State != NotFound {
		t.Errorf("without a Service they are %+v", b)
	}
	if v := (Installation{r}).ESOVersion(ctx); v.Value != "v1" {
		t.Errorf("ESO serves %+v", v)
	}
	if st := (Installation{r}).Store(ctx, "", "v1", StoreRef{Kind: "ClusterSecretStore", Name: "aws-ssm"}); st.Value.NotReady() != "Bad: no role" {
		t.Errorf("the store says %q", st.Value.NotReady())
	}
	for name, unusable := range map[string]bool{"envgraft": false, "broken": true, "gone": true} {
		if got := r.Settings(ctx, "envgraft-system", name); got.Unusable != unusable || (got.Assumed != "") != unusable {
			t.Errorf("configuration %s: %+v", name, got)
		}
	}
	if names := Names(ctx, r, "", ""); !slices.Equal(names, []string{"shop"}) {
		t.Errorf("the namespaces are %q", names)
	}
	if all := r.Namespaces(ctx); all.Value["shop"].Name != "shop" {
		t.Errorf("the namespaces are %+v", all)
	}
	if pods := r.StandalonePods(ctx, "shop", ""); len(pods.Value) != 1 {
		t.Errorf("pods of their own are %+v", pods)
	}
}

// TestAdmit tells an answer from a refusal and from a right that is missing.
func TestAdmit(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  string
		state   State
		refused string
	}{
		"Admitted":   {`{metadata: {name: x}}`, Found, ""},
		"Webhook":    {`refuse admission webhook "a.b" denied the request: no`, Found, `admission webhook "a.b" denied the request: no`},
		"Quota":      {`refuse pods "x" is forbidden: exceeded quota`, Found, `pods "x" is forbidden: exceeded quota`},
		"NotAllowed": {`refuse pods is forbidden: User "jane" cannot create resource "pods"`, Forbidden, ""},
	} {
		s := cluster()
		s.answers["POST /api/v1/namespaces/shop/pods"] = tc.answer
		got := start(t, s).Admit(t.Context(), "shop", "shop", []byte(`{"metadata":{"labels":{"a":"b"}},"spec":{}}`))
		if got.State != tc.state || got.Value.Refused != tc.refused {
			t.Errorf("%s: %+v", name, got)
		}
		if tc.state == Found && tc.refused == "" && !slices.Equal(got.Value.Warnings, []string{"a warning"}) {
			t.Errorf("%s: the warnings are %q", name, got.Value.Warnings)
		}
	}
}

// TestWaiting finds what a pod waits for, what the chain can fix first.
func TestWaiting(t *testing.T) {
	for status, want := range map[string]string{
		`{containerStatuses: [{state: {waiting: {reason: ImagePullBackOff, message: m}}}, {state: {waiting: {reason: CreateContainerConfigError, message: no key}}}]}`: "CreateContainerConfigError: no key",
		`{conditions: [{type: PodScheduled, status: "False", reason: Unschedulable, message: 0/3 nodes}]}`:                                                             "Unschedulable: 0/3 nodes",
		`{initContainerStatuses: [{name: wait, state: {running: {}}}], containerStatuses: [{state: {waiting: {reason: PodInitializing}}}]}`:                            "Init: init container wait runs",
		`{containerStatuses: [{state: {waiting: {reason: ImagePullBackOff, message: m}}}]}`:                                                                            "ImagePullBackOff: m",
		`{containerStatuses: [{state: {waiting: {reason: PodInitializing}}}]}`:                                                                                         "",
	} {
		var p Pod
		if err := yaml.Unmarshal([]byte("status: "+status), &p); err != nil {
			t.Fatal(err)
		}
		reason, message := p.Waiting()
		if got := strings.TrimSuffix(reason+": "+message, ": "); got != want {
			t.Errorf("%s waits for %q, want %q", status, got, want)
		}
	}
}
