package controller

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// esoModule is where ESO's CRDs are read: they are too large to keep a copy. Later
// releases are no Go modules that can be downloaded, see TestNewestESO.
const esoModule = "github.com/external-secrets/external-secrets@v0.19.2"

// esoCRDs are those that the controller looks at.
func esoCRDs() []string { return []string{"externalsecrets", "secretstores", "clustersecretstores"} }

func esoDir(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", esoModule)
	command.Dir = t.TempDir()
	var problem bytes.Buffer
	command.Stderr = &problem
	output, err := command.Output()
	if err != nil {
		t.Fatalf("cannot download %s: %v\n%s", esoModule, err, &problem)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(output, &module); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(module.Dir, "config", "crds", "bases")
}

// crd reads a CRD of ESO's, which serves the given version and no other.
func crd(t *testing.T, dir, plural, version string) *unstructured.Unstructured {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "external-secrets.io_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(raw, &object.Object); err != nil {
		t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(object.Object, "spec", "versions")
	if err != nil {
		t.Fatal(err)
	}
	var kept []any
	for _, v := range versions {
		v, ok := v.(map[string]any)
		if ok && v["name"] == version {
			v["served"], v["storage"] = true, true
			kept = append(kept, v)
		}
	}
	if len(kept) != 1 {
		t.Fatalf("CRD %s has no version %s", plural, version)
	}
	if err := unstructured.SetNestedSlice(object.Object, kept, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	return object
}

// installESO makes the cluster serve ESO's objects in one version, "" in none.
func installESO(t *testing.T, version string) {
	t.Helper()
	installCRDs(t, esoDir, version)
}

// installCRDs takes them from a folder.
func installCRDs(t *testing.T, from func(*testing.T) string, version string) {
	t.Helper()
	for _, plural := range esoCRDs() {
		deleteCRD(t, plural+".external-secrets.io")
	}
	if version == "" {
		return
	}
	dir := from(t)
	for _, plural := range esoCRDs() {
		create(t, crd(t, dir, plural, version))
	}
	for _, plural := range esoCRDs() {
		waitEstablished(t, plural+".external-secrets.io")
	}
}

// newStore is the default ClusterSecretStore. Its provider is never asked.
func newStore(version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "external-secrets.io/" + version, "kind": "ClusterSecretStore",
		"metadata": map[string]any{"name": "aws-ssm"},
		"spec":     map[string]any{"provider": map[string]any{"aws": map[string]any{"service": "ParameterStore", "region": "eu-central-1"}}},
	}}
}

// ready makes sure of ESO in version v1, and of the store.
func ready(t *testing.T) {
	t.Helper()
	err := kube.List(t.Context(), newList("v1"))
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		installESO(t, "v1")
	}
	eventually(t, "the default store", func() error { // a kind is served a moment after its CRD is established
		err := kube.Create(t.Context(), newStore("v1"))
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
}

func newList(version string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("external-secrets.io/" + version)
	list.SetKind("ExternalSecretList")
	return list
}

func installRollouts(t *testing.T) {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec:
  group: argoproj.io
  names: {kind: Rollout, listKind: RolloutList, plural: rollouts, singular: rollout}
  scope: Namespaced
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`), &object.Object); err != nil {
		t.Fatal(err)
	}
	if err := kube.Create(t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	waitEstablished(t, object.GetName())
}

func crdObject(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("apiextensions.k8s.io/v1")
	object.SetKind("CustomResourceDefinition")
	object.SetName(name)
	return object
}

func deleteCRD(t *testing.T, name string) {
	t.Helper()
	if err := kube.Delete(t.Context(), crdObject(name)); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	eventually(t, "deletion of CRD "+name, func() error {
		err := kube.Get(t.Context(), types.NamespacedName{Name: name}, crdObject(name))
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%w: %w", errStill, err)
	})
}

func waitEstablished(t *testing.T, name string) {
	t.Helper()
	eventually(t, "CRD "+name, func() error {
		object := crdObject(name)
		if err := kube.Get(t.Context(), types.NamespacedName{Name: name}, object); err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
		if err != nil {
			return err
		}
		for _, c := range conditions {
			c, ok := c.(map[string]any)
			if ok && c["type"] == "Established" && c["status"] == "True" {
				return nil
			}
		}
		return fmt.Errorf("conditions are %v", conditions)
	})
}

func newExternalSecret(ns, name, version string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("external-secrets.io/" + version)
	object.SetKind("ExternalSecret")
	object.SetNamespace(ns)
	object.SetName(name)
	return object
}

func getExternalSecret(t *testing.T, ns, name string) (*unstructured.Unstructured, error) {
	t.Helper()
	object := newExternalSecret(ns, name, "v1")
	err := kube.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	return object, err
}

// waitFor waits for an ExternalSecret of which check has nothing to say.
func waitFor(t *testing.T, ns, name string, check func(*unstructured.Unstructured) error) *unstructured.Unstructured {
	t.Helper()
	var found *unstructured.Unstructured
	eventually(t, "ExternalSecret "+name, func() error {
		var err error
		if found, err = getExternalSecret(t, ns, name); err != nil {
			return err
		}
		if check == nil {
			return nil
		}
		return check(found)
	})
	return found
}

// handMade is an ExternalSecret as a person writes one.
func handMade(t *testing.T, ns, name, secret string) *unstructured.Unstructured {
	t.Helper()
	object := newExternalSecret(ns, name, "v1")
	object.Object["spec"] = map[string]any{
		"refreshInterval": "1h",
		"secretStoreRef":  map[string]any{"kind": "ClusterSecretStore", "name": "aws-ssm"},
		"target":          map[string]any{"name": secret},
		"dataFrom":        []any{map[string]any{"extract": map[string]any{"key": "/" + ns + "/by-hand/stage/app"}}},
	}
	return create(t, object)
}

// esoSays writes the status that ESO would.
func esoSays(t *testing.T, e *unstructured.Unstructured, status, reason string, refreshed time.Time, bound string) {
	t.Helper()
	eventually(t, "status of "+e.GetName(), func() error {
		object := e.DeepCopy()
		if err := kube.Get(t.Context(), client.ObjectKeyFromObject(e), object); err != nil {
			return err
		}
		if bound != "" && field(object, "spec.target.template.mergePolicy") == "Replace" {
			// It probes: a Secret that ESO filled comes after one that was not there.
			object.Object["status"] = esoStatus(object, "True", "SecretMissing", refreshed, "")
			return errors.Join(errStill, kube.Status().Update(t.Context(), object))
		}
		object.Object["status"] = esoStatus(object, status, reason, refreshed, bound)
		return kube.Status().Update(t.Context(), object)
	})
}

// esoStatus is ESO's account of an ExternalSecret as it is.
func esoStatus(object *unstructured.Unstructured, status, reason string, refreshed time.Time, bound string) map[string]any {
	return map[string]any{
		"syncedResourceVersion": fmt.Sprintf("%d-hash", object.GetGeneration()),
		"refreshTime":           refreshed.UTC().Format(time.RFC3339),
		"binding":               map[string]any{"name": bound},
		"conditions": []any{map[string]any{
			"type": "Ready", "status": status, "reason": reason, "message": "as the test says",
			"lastTransitionTime": metav1.Now().UTC().Format(time.RFC3339),
		}},
	}
}

// field reads a text at a dotted path.
func field(e *unstructured.Unstructured, path string) string {
	value, _, err := unstructured.NestedString(e.Object, strings.Split(path, ".")...)
	if err != nil {
		return err.Error()
	}
	return value
}

// owners lists an object's owners as "Kind/name".
func owners(e *unstructured.Unstructured) []string {
	var names []string
	for _, ref := range e.GetOwnerReferences() {
		names = append(names, ref.Kind+"/"+ref.Name)
	}
	return names
}
