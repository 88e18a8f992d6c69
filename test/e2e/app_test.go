//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const printenvImage = "localhost/envgraft-e2e/printenv:e2e"

// app is a Deployment of testdata/app.yaml.
type app struct {
	Namespace, Name, App, Image string
	Annotations                 string // of the pod template, in JSON
}

func newApp(namespace, name string) app {
	return app{Namespace: namespace, Name: name, App: name, Image: printenvImage, Annotations: "{}"}
}

// environment is what printenv tells of the process that it is.
type environment struct {
	Env  map[string]string `json:"env"`
	Args []string          `json:"args"`
}

// namespace makes a namespace that is deleted when the test ends.
func (b *bench) namespace(t *testing.T, name string) {
	t.Helper()
	b.kubectl(t, "create", "namespace", name)
	t.Cleanup(func() { b.kubectl(t, "delete", "namespace", name, "--wait=false") })
	b.dumpOnFailure(t, name)
}

// configMap makes a ConfigMap of literals.
func (b *bench) configMap(t *testing.T, namespace, name string, values map[string]string) {
	t.Helper()
	b.kubectl(t, append([]string{"create", "configmap", name, "-n", namespace}, literals(values)...)...)
}

func literals(values map[string]string) []string {
	var flags []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		flags = append(flags, "--from-literal="+key+"="+values[key])
	}
	return flags
}

// pod is the part of a pod that tests look at.
type pod struct {
	Metadata struct {
		Name              string
		UID               string
		DeletionTimestamp string
		Annotations       map[string]string
		Labels            map[string]string
	}
	Status struct {
		Phase      string
		Conditions []struct{ Type, Status string }
	}
}

func (p pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True" && p.Metadata.DeletionTimestamp == ""
		}
	}
	return false
}

// pods lists the pods of an app's Deployment, those that are on their way out
// left aside.
func (b *bench) pods(t *testing.T, a app) []pod {
	t.Helper()
	return b.podsOf(t, a.Namespace, "instance="+a.Name)
}

func (b *bench) podsOf(t *testing.T, namespace, selector string) []pod {
	t.Helper()
	var list struct{ Items []pod }
	b.getJSON(t, &list, "get", "pods", "-n", namespace, "-l", selector)
	return slices.DeleteFunc(list.Items, func(p pod) bool { return p.Metadata.DeletionTimestamp != "" })
}

// pod returns the one pod of a Deployment that has rolled out.
func (b *bench) pod(t *testing.T, a app) pod {
	t.Helper()
	b.rolledOut(t, a.Namespace, "deployment/"+a.Name)
	var pods []pod
	eventually(t, 30*time.Second, "one ready pod of "+a.Name, func() (bool, string) {
		pods = b.pods(t, a)
		return len(pods) == 1 && pods[0].ready(), fmt.Sprintf("%+v", pods)
	})
	return pods[0]
}

// getJSON runs kubectl and decodes what it prints.
func (b *bench) getJSON(t *testing.T, into any, args ...string) {
	t.Helper()
	out := b.kubectl(t, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("cannot decode %q: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// environmentOf asks the process that runs in a container, which listens at
// port, for its environment.
func (b *bench) environmentOf(t *testing.T, namespace, pod string, port int) environment {
	t.Helper()
	return decodeEnvironment(t, b.kubectl(t, "get", "--raw",
		fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%d/proxy/", namespace, pod, port)))
}

// printedEnvironment is the environment of a container that printed it.
func (b *bench) printedEnvironment(t *testing.T, namespace, pod, container string) environment {
	t.Helper()
	return decodeEnvironment(t, b.kubectl(t, "logs", "-n", namespace, pod, "-c", container))
}

func decodeEnvironment(t *testing.T, text string) environment {
	t.Helper()
	var e environment
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatalf("cannot decode environment: %v\n%s", err, text)
	}
	return e
}

// absent is the value of a variable that must not exist.
const absent = "<absent>"

// expect compares the variables that a test names, and no others: kubelet and
// the cluster's Services add their own.
func expect(t *testing.T, who string, got environment, want map[string]string) {
	t.Helper()
	seen := map[string]string{}
	for name := range want {
		value, ok := got.Env[name]
		if !ok {
			value = absent
		}
		seen[name] = value
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("environment of %s (-want +got):\n%s", who, diff)
	}
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
