//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/envgraft/envgraft/internal/api"
)

// testStandby takes every replica away, with the webhook's policy at Ignore and
// the exported policy in place: pods must still get their environment.
func (b *bench) testStandby(t *testing.T) {
	b.tellsNothing(t)
	if out, err := b.try("get", "mutatingadmissionpolicies.v1.admissionregistration.k8s.io"); err != nil {
		t.Skipf("this Kubernetes has no MutatingAdmissionPolicy v1 (it has from 1.36 on): %s", out)
	}
	const namespace = "standby"
	b.install(t, nil)
	b.optedIn(t, namespace)
	b.configMap(t, namespace, "shop-config", configMapTier())
	b.kubectl(t, append([]string{"create", "secret", "generic", "shop-secrets", "-n", namespace}, literals(parameterTier())...)...)
	b.kubectl(t, "apply", "-f", "deploy/policy.yaml")
	t.Cleanup(func() { b.kubectl(t, "delete", "-f", "deploy/policy.yaml") })
	b.run(t, 5*time.Minute, b.tool("helm", "upgrade", "envgraft", "deploy/chart", "--namespace", systemNamespace,
		"--reuse-values", "--set", "webhook.failurePolicy=Ignore")...)
	b.kubectl(t, "scale", "deployment", "envgraft", "-n", systemNamespace, "--replicas=0")
	b.kubectl(t, "wait", "--for=delete", "pod", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft", "--timeout=90s")
	t.Cleanup(func() {
		b.kubectl(t, "scale", "deployment", "envgraft", "-n", systemNamespace, "--replicas=2")
		b.rolledOut(t, systemNamespace, "deployment/envgraft")
	})

	labels := map[string]string{api.LabelName: "shop"}
	eventually(t, time.Minute, "the API server to refuse by the policy", func() (bool, string) {
		out, err := b.tryApply(t, "pod.yaml", podOf(t, namespace, "refused", labels, map[string]string{api.AnnotationSecrets: "no"}))
		return err != nil && strings.Contains(out, "ValidatingAdmissionPolicy"), out
	})
	want := injected()
	want["DEBUG"] = "from-the-pod" // no facts: a literal goes on shadowing its key
	expect(t, "a pod that no replica has seen", b.runPod(t, namespace, "grafted", labels), want)
	alone := map[string]string{api.LabelName: "shop", api.LabelInject: api.Disabled}
	expect(t, "a pod that opted out", b.runPod(t, namespace, "alone", alone), map[string]string{"DATABASE_URL": absent, "LOG_LEVEL": absent})
}
