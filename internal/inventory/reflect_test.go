package inventory

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/workload"
)

// held is a Recorder that forgets.
type held struct{}

func (held) SetHeld(string, int, int) {}

// object is a workload of the app "shop" in JSON; header is its kind and version,
// which API servers leave out of the items of a list.
func object(k workload.Kind, name, header string) string {
	const template = `{"metadata":{"labels":{"app.kubernetes.io/name":"shop"}}}`
	spec := `{"template":` + template + `}`
	if k.InJobTemplate() {
		spec = `{"jobTemplate":{"spec":` + spec + `}}`
	}
	return fmt.Sprintf(`{%s"metadata":{"namespace":"n","name":%q,"uid":%q,"resourceVersion":"1"},"spec":%s}`, header, name, name, spec)
}

// apiServer serves one object of each kind, and with it some that are not readable
// in the kinds that may have a lax CRD. It serves watches that begin with a list,
// or, as API servers did before Kubernetes 1.32, refuses them.
func apiServer(t *testing.T, watchList bool) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		query := r.URL.Query()
		if query.Get("watch") == "" {
			_, _ = fmt.Fprint(w, list(resource))
			return
		}
		if query.Get("sendInitialEvents") == "true" {
			if !watchList {
				w.WriteHeader(http.StatusUnprocessableEntity)
				_, _ = fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":422,`+
					`"details":{"causes":[{"reason":"FieldValueForbidden","field":"sendInitialEvents"}]}}`)
				return
			}
			_, _ = fmt.Fprint(w, initialEvents(resource))
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server
}

func kindOf(resource string) (k workload.Kind, header string) {
	for _, k := range workload.Kinds() {
		if k.Resource == resource {
			return k, fmt.Sprintf(`"apiVersion":%q,"kind":%q,`, k.GroupVersion(), k.Kind)
		}
	}
	return workload.Kind{}, ""
}

// hostile is what a CRD that preserves unknown fields lets pass.
const hostile = `"metadata":{"namespace":"n","name":"hostile","uid":"hostile","resourceVersion":"1"},"spec":{"template":[1],"workloadRef":"x"}}`

func list(resource string) string {
	k, header := kindOf(resource)
	if k.Kind == workload.Pod {
		return `{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadataList","metadata":{"resourceVersion":"1"},"items":[` + pod("") + `]}`
	}
	items := object(k, k.Resource, "")
	if k.Kind == workload.Rollout {
		items = "{" + hostile + "," + items
	}
	return fmt.Sprintf(`{%s"metadata":{"resourceVersion":"1"},"items":[%s]}`, strings.Replace(header, k.Kind, k.Kind+"List", 1), items)
}

func pod(header string) string {
	return fmt.Sprintf(`{%s"metadata":{"namespace":"n","name":"pod","uid":"pod","resourceVersion":"1","labels":{"envgraft.dev/app":"shop"}}}`, header)
}

func initialEvents(resource string) string {
	k, header := kindOf(resource)
	objects := []string{object(k, k.Resource, header)}
	switch k.Kind {
	case workload.Rollout:
		objects = []string{"{" + header + hostile, objects[0]}
	case workload.Pod:
		header = `"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata",`
		objects = []string{pod(header)}
	}
	var events strings.Builder
	for _, o := range objects {
		fmt.Fprintf(&events, `{"type":"ADDED","object":%s}`+"\n", o)
	}
	fmt.Fprintf(&events, `{"type":"BOOKMARK","object":{%s"metadata":{"resourceVersion":"1","annotations":{"k8s.io/initial-events-end":"true"}}}}`+"\n", header)
	return events.String()
}

// TestEveryKind holds the objects of every kind, by a list and by a watch that
// begins with one. One that cannot be read keeps nobody else's from the leader.
func TestEveryKind(t *testing.T) {
	for name, watchList := range map[string]bool{"List": false, "WatchList": true} {
		t.Run(name, func(t *testing.T) {
			server := apiServer(t, watchList)
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			i := New(Connection{
				Name: "test", Config: &rest.Config{Host: server.URL, QPS: -1}, HTTP: server.Client(), Log: logr.Discard(), Interval: time.Second,
			}, held{}, func(client.ObjectKey) {})
			if err := i.Start(ctx); err != nil {
				t.Fatal(err)
			}
			if err := i.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			app := client.ObjectKey{Namespace: "n", Name: "shop"}
			var got, want []string
			for _, row := range i.Workloads(app) {
				got = append(got, row.String())
			}
			for _, p := range i.Pods(app) {
				got = append(got, p.Ref().String())
			}
			for _, k := range workload.DeployedKinds() {
				want = append(want, k.Kind+"/"+k.Resource)
			}
			want = append(want, "Pod/pod")
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
		})
	}
}
