package deploy_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// TestHelmTest holds what helm test makes to going away again, to keeping out
// of the webhook's Service, and to writing nothing outside its own Namespace.
func TestHelmTest(t *testing.T) {
	const own = "graft-test" // of the release that values/everything.yaml names graft
	text, err := helm(t, "template", "envgraft", "chart", "--namespace", systemNamespace,
		"--values", "testdata/values/everything.yaml", "--show-only", "templates/tests/admission.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for document := range strings.SplitSeq(text, "\n---\n") {
		var object metav1.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		kinds[object.Kind]++
		if object.Annotations["helm.sh/hook"] != "test" || !strings.Contains(object.Annotations["helm.sh/hook-delete-policy"], "hook-succeeded") {
			t.Errorf("%s %s is no part of the test alone: %v", object.Kind, object.Name, object.Annotations)
		}
		var role rbacv1.ClusterRole
		if strings.HasSuffix(object.Kind, "Role") && object.Namespace != own {
			if err := yaml.Unmarshal([]byte(document), &role); err != nil {
				t.Fatal(err)
			}
			for _, rule := range role.Rules {
				for _, verb := range rule.Verbs {
					if verb != "get" && verb != "list" {
						t.Errorf("%s %s may %s %v outside the test's Namespace", object.Kind, object.Name, verb, rule.Resources)
					}
				}
			}
		}
		if object.Kind == "Pod" {
			checkTestPod(t, []byte(document))
		}
	}
	if kinds["Pod"] != 1 || kinds["Namespace"] != 1 {
		t.Errorf("the test makes %v, want one Pod and one Namespace among it", kinds)
	}
}

func checkTestPod(t *testing.T, document []byte) {
	t.Helper()
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(document, &pod); err != nil {
		t.Fatal(err)
	}
	for _, service := range render(t, "--values", "testdata/values/everything.yaml").services {
		if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("Service %s sends reviews to the test's pod", service.Name)
		}
	}
}
