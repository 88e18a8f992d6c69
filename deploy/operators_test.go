package deploy_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
)

// cluster answers helm's questions: what kinds there are, and these objects.
type cluster map[string]any

// kinds are those that the chart renders or looks up.
func kinds() map[schema.GroupVersion][]string {
	return map[schema.GroupVersion][]string{
		{Version: "v1"}:                                        {"Namespace", "ServiceAccount", "ConfigMap", "Service"},
		{Group: "apps", Version: "v1"}:                         {"Deployment"},
		{Group: "policy", Version: "v1"}:                       {"PodDisruptionBudget"},
		{Group: "networking.k8s.io", Version: "v1"}:            {"NetworkPolicy"},
		{Group: "rbac.authorization.k8s.io", Version: "v1"}:    {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"},
		{Group: "admissionregistration.k8s.io", Version: "v1"}: {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"},
		{Group: "apiextensions.k8s.io", Version: "v1"}:         {"CustomResourceDefinition"},
	}
}

func (c cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, found := c[r.URL.Path], true
	if answer == nil {
		answer, found = discovery(r.URL.Path)
	}
	w.Header().Set("Content-Type", "application/json")
	if !found {
		w.WriteHeader(http.StatusNotFound)
	}
	_ = json.NewEncoder(w).Encode(answer) //nolint:errchkjson // helm is gone if it fails
}

func discovery(path string) (any, bool) {
	groups := &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}}
	for gv, names := range kinds() {
		if gv.Group != "" {
			v := metav1.GroupVersionForDiscovery{GroupVersion: gv.String(), Version: gv.Version}
			groups.Groups = append(groups.Groups, metav1.APIGroup{Name: gv.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
		}
		if path != "/api/"+gv.String() && path != "/apis/"+gv.String() {
			continue
		}
		list := &metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv.String()}
		for _, kind := range names {
			plural, _ := meta.UnsafeGuessKindToResource(gv.WithKind(kind))
			namespaced := kind != "Namespace" && !strings.HasPrefix(kind, "Cluster") && !strings.HasSuffix(kind, "Configuration") && !strings.HasPrefix(kind, "Custom")
			list.APIResources = append(list.APIResources, metav1.APIResource{Name: plural.Resource, Kind: kind, Namespaced: namespaced, Verbs: metav1.Verbs{"get", "list"}})
		}
		return list, true
	}
	switch path {
	case "/version":
		return version.Info{Major: "1", Minor: "35", GitVersion: "v1.35.0"}, true
	case "/api":
		return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}, true
	case "/apis":
		return groups, true
	}
	return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound}, false
}

func object(apiVersion, kind, name string, more map[string]any) map[string]any {
	all := map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name}}
	maps.Copy(all, more)
	return all
}

// TestOperatorNamespaces has helm look where ESO and Reloader run. An ESO whose own
// pods waited for a Secret would make none.
func TestOperatorNamespaces(t *testing.T) {
	const (
		webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretstore-validate"
		bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
	)
	eso := object("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "secretstore-validate", map[string]any{
		"webhooks": []any{map[string]any{"clientConfig": map[string]any{"service": map[string]any{"namespace": "eso"}}}},
	})
	binding := func(name, namespace string) map[string]any {
		return object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", name, map[string]any{
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "x", "namespace": namespace}, map[string]any{"kind": "User", "name": "x"}},
		})
	}
	reloader := map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBindingList", "items": []any{
		binding("other", "elsewhere"), binding("reloader-reloader-role-binding", "ops"),
	}}
	optedIn := object("v1", "Namespace", "eso", nil)
	optedIn["metadata"] = map[string]any{"name": "eso", "labels": map[string]any{api.LabelInject: api.Enabled}}
	for name, tc := range map[string]struct {
		reason  string
		cluster cluster
		args    []string
		want    []string
	}{
		"Neither":  {"There is nothing to exclude.", cluster{}, nil, nil},
		"Both":     {"", cluster{webhooks: eso, bindings: reloader}, nil, []string{"eso", "ops"}},
		"OneThere": {"", cluster{bindings: reloader}, nil, []string{"ops"}},
		"OptedIn": {
			"Apps of a namespace that opted in would lose their environment.",
			cluster{webhooks: eso, bindings: reloader, "/api/v1/namespaces/eso": optedIn},
			nil,
			[]string{"ops"},
		},
		"Off":    {"", cluster{webhooks: eso, bindings: reloader}, []string{"--set", "webhook.excludeOperators=false"}, nil},
		"ByHand": {"No namespace stands twice.", cluster{webhooks: eso}, []string{"--set", "webhook.excludedNamespaces={eso}"}, []string{"eso"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tc.cluster)
			defer server.Close()
			args := []string{"--values", "testdata/values/minimal.yaml", "--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", server.URL}
			c, err := config.Parse([]byte(render(t, append(args, tc.args...)...).configMap.Data["config.yaml"]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(slices.Concat(config.Default().ExcludedNamespaces, []string{systemNamespace}, tc.want), c.ExcludedNamespaces); diff != "" {
				t.Errorf("%s\nexcluded namespaces: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
