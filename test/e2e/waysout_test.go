//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/envgraft/envgraft/internal/api"
)

// waysIn are the ways of opting in, each with the namespace that a test makes
// for it. The app's Deployment is there in all of them.
func waysIn() map[string]struct {
	namespace string
	in        []string
} {
	const template = `{"spec":{"template":{"metadata":{"labels":{"` + api.LabelInject + `":%s}}}}}`
	return map[string]struct {
		namespace string
		in        []string
	}{
		"by the namespace's label": {"in-namespace", []string{"label", "namespace", "in-namespace", api.LabelInject + "=" + api.Enabled}},
		"by the workload's label":  {"in-workload", []string{"label", "deployment", "shop", "-n", "in-workload", api.LabelInject + "=" + api.Enabled}},
		"by the template's label":  {"in-template", []string{"patch", "deployment", "shop", "-n", "in-template", "-p", fmt.Sprintf(template, `"`+api.Enabled+`"`)}},
		"by the label of one pod":  {"in-pod", nil},
	}
}

// waysOut is the state of the test of the ways out that docs/operations.md has.
type waysOut struct {
	*bench

	client kubernetes.Interface
}

// testWaysOut takes every documented way out, for every way of opting in, and
// looks at what pods get then. The first ones are taken while no replica
// answers, which is when they are needed.
func (b *bench) testWaysOut(t *testing.T) {
	b.tellsNothing(t)
	b.install(t, nil)
	w := waysOut{b, b.newStream(t, "").client}
	for _, way := range waysIn() {
		b.namespace(t, way.namespace)
		b.ssm.putJSON(t, "/"+way.namespace+"/shop/stage/app", parameterTier())
		b.apply(t, "app.yaml", newApp(way.namespace, "shop"))
		if way.in != nil {
			b.kubectl(t, way.in...)
		}
	}
	w.expect(t, "opted in", "injected")
	w.testGlassOfNamespace(t)
	w.testGlassOfCluster(t)
	w.testNamespaceOut(t)
	b.mustNotTell(t) // while there is somebody who could
	w.testLeave(t)
}

// admitted says what becomes of a pod that is created now: of the Deployment's
// template, or one of its own that opts in.
func (w waysOut) admitted(t *testing.T, namespace string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	shop, err := w.client.AppsV1().Deployments(namespace).Get(ctx, "shop", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("cannot get the Deployment of %s: %v", namespace, err)
	}
	pod := &corev1.Pod{ObjectMeta: *shop.Spec.Template.ObjectMeta.DeepCopy(), Spec: shop.Spec.Template.Spec}
	pod.GenerateName = "shop-"
	if namespace == "in-pod" {
		pod.Labels[api.LabelInject] = api.Enabled
	}
	created, err := w.client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case apierrors.IsInternalError(err):
		return "refused"
	case err != nil:
		return err.Error()
	case created.Annotations[api.AnnotationInjected] == "":
		return "bare"
	}
	return "injected"
}

// expect waits until pods of all ways in meet with what is wanted.
func (w waysOut) expect(t *testing.T, after, want string) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("pods to be %s: %s", want, after), func() (bool, string) {
		var wrong []string
		for way, in := range waysIn() {
			if got := w.admitted(t, in.namespace); got != want {
				wrong = append(wrong, fmt.Sprintf("a pod that opts in %s: %s", way, got))
			}
		}
		slices.Sort(wrong)
		return len(wrong) == 0, strings.Join(wrong, "\n")
	})
}

// each runs a documented command for every namespace.
func (w waysOut) each(t *testing.T, command string) {
	t.Helper()
	for _, way := range waysIn() {
		w.documented(t, command, "NAME", way.namespace)
	}
}

func (w waysOut) testGlassOfNamespace(t *testing.T) {
	t.Helper()
	w.kubectl(t, "scale", "deployment", "envgraft", "-n", systemNamespace, "--replicas=0")
	w.kubectl(t, "delete", "pods", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft", "--grace-period=0", "--force")
	w.expect(t, "no replica answers", "refused")
	w.each(t, "kubectl label namespace NAME envgraft.dev/bypass=true")
	w.expect(t, "the glass is broken for the namespace", "bare")
	for _, way := range waysIn() {
		w.kubectl(t, "rollout", "restart", "deployment/shop", "-n", way.namespace)
	}
	for way, in := range waysIn() {
		pod := w.pod(t, newApp(in.namespace, "shop"))
		expect(t, "a pod after the glass was broken, opted in "+way, w.environmentOf(t, in.namespace, pod.Metadata.Name, 8080),
			map[string]string{"DEBUG": "from-the-pod", "DATABASE_URL": absent})
	}
	w.each(t, "kubectl label namespace NAME envgraft.dev/bypass-")
	w.expect(t, "the namespace is back", "refused")
}

func (w waysOut) testGlassOfCluster(t *testing.T) {
	t.Helper()
	w.documented(t, "kubectl delete mutatingwebhookconfiguration envgraft")
	w.expect(t, "the glass is broken for the cluster", "bare")
	w.install(t, nil)
	w.expect(t, "helm upgrade has put it back", "injected")
}

func (w waysOut) testNamespaceOut(t *testing.T) {
	t.Helper()
	w.each(t, "kubectl label namespace NAME envgraft.dev/inject-")
	found := map[string]string{}
	for _, way := range waysIn() {
		found[way.namespace] = w.documented(t, "kubectl -n NAME get deployments,statefulsets,daemonsets,jobs,cronjobs,pods -l envgraft.dev/inject", "NAME", way.namespace)
	}
	for namespace, want := range map[string]string{"in-workload": "deployment.apps/shop", "in-template": "pod/shop-"} {
		if !strings.Contains(found[namespace], want) {
			t.Errorf("the documented command finds no %s in %s:\n%s", want, namespace, found[namespace])
		}
	}
	w.documented(t, "kubectl -n NAME label deployment APP envgraft.dev/inject-", "NAME", "in-workload", "APP", "shop")
	w.documented(t, `kubectl -n NAME patch deployment APP -p '{"spec":{"template":{"metadata":{"labels":{"envgraft.dev/inject":null}}}}}'`,
		"NAME", "in-template", "APP", "shop")
	for _, namespace := range []string{"in-namespace", "in-workload", "in-template"} {
		w.kubectl(t, "rollout", "restart", "deployment/shop", "-n", namespace)
		if got := w.admitted(t, namespace); got != "bare" {
			t.Errorf("a pod in %s, which was taken out: %s, want bare", namespace, got)
		}
		w.nothingWritten(t, namespace)
	}
}

// testLeave opts in again, and has envgraft removed.
func (w waysOut) testLeave(t *testing.T) {
	t.Helper()
	for _, way := range waysIn() {
		if way.in != nil {
			w.kubectl(t, way.in...)
		}
	}
	w.expect(t, "opted in again", "injected")
	const show = "envgraft remove"
	if out := w.documented(t, show); !strings.Contains(out, "Deployment in-workload/shop") {
		t.Errorf("%s does not say what it would do:\n%s", show, out)
	}
	w.expect(t, show+" has shown what it would do", "injected")
	before := w.names(t)
	w.documented(t, "envgraft remove --yes && helm uninstall envgraft --namespace envgraft-system")
	w.expect(t, "envgraft has left", "bare")
	for _, way := range waysIn() {
		w.nothingWritten(t, way.namespace)
	}
	after := w.names(t)
	// The one that opted in by its own label is rolled out, as is said.
	delete(before, "in-workload")
	delete(after, "in-workload")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the ReplicaSets before and after (-want +got):\n%s", diff)
	}
}

// names are the ReplicaSets of each namespace.
func (w waysOut) names(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, way := range waysIn() {
		names[way.namespace] = w.kubectl(t, "get", "replicasets", "-n", way.namespace, "-o", "name")
	}
	return names
}

// nothingWritten looks for what envgraft writes to workloads.
func (w waysOut) nothingWritten(t *testing.T, namespace string) {
	t.Helper()
	keys := slices.Collect(maps.Keys(w.deployment(t, newApp(namespace, "shop")).Metadata.Annotations))
	for _, key := range keys {
		if strings.HasPrefix(key, api.Group+"/") || strings.Contains(key, api.ReloaderPrefix) {
			t.Errorf("annotation %s is left on the Deployment of %s", key, namespace)
		}
	}
}
