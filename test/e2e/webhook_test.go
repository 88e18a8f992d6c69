//go:build e2e

package e2e

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
)

// webhookNamespace is the namespace, and so the system, of the example.
const webhookNamespace = "popapps"

// fromParameter is found wherever it leaks to.
const fromParameter = canary.Mark + "-parameter"

// The values of the three tiers. Each name of a lower tier that a higher one
// has too must lose.
func parameterTier() map[string]string {
	return map[string]string{"DATABASE_URL": fromParameter, "API_KEY": fromParameter, "DEBUG": fromParameter, "SHARED": fromParameter}
}

func configMapTier() map[string]string {
	return map[string]string{
		"LOG_LEVEL": "from-the-config-map", "MAX_WORKERS": "from-the-config-map",
		"CACHE_TTL": "from-the-config-map", "SHARED": "from-the-config-map",
	}
}

// injected is what every container must see of the two upper tiers.
func injected() map[string]string {
	want := configMapTier()
	maps.Copy(want, parameterTier())
	return want
}

// testWebhook proves the order of the tiers in running processes, with the
// Secret made by hand: the operator has no part in it.
func (b *bench) testWebhook(t *testing.T) {
	b.tellsNothing(t)
	const namespace = webhookNamespace
	b.install(t, map[string]any{"externalSecrets": map[string]any{"enabled": false}})
	t.Run("Install", b.testInstall)
	b.namespace(t, namespace)
	b.ssm.putJSON(t, "/popapps/myapp/stage/app", parameterTier())
	b.configMap(t, namespace, "myapp-config", configMapTier())
	b.kubectl(t, append([]string{"create", "secret", "generic", "myapp-secrets", "-n", namespace}, literals(parameterTier())...)...)
	b.kubectl(t, "label", "namespace", namespace, api.LabelInject+"="+api.Enabled)

	b.apply(t, "app.yaml", newApp(namespace, "myapp"))
	t.Run("Tiers", b.testTiers)
	t.Run("PodOptsOut", func(t *testing.T) {
		out := b.runPod(t, namespace, "left-alone", map[string]string{api.LabelName: "myapp", api.LabelInject: api.Disabled})
		expect(t, "a pod that opts out", out, map[string]string{"DEBUG": "from-the-pod", "DATABASE_URL": absent, "LOG_LEVEL": absent})
	})
	t.Run("Denials", b.testDenials)
	t.Run("Rollback", b.testRollback)
	t.Run("PodOptsIn", func(t *testing.T) {
		// The namespace has been opted out by now.
		out := b.runPod(t, namespace, "opted-in", map[string]string{api.LabelName: "myapp", api.LabelInject: api.Enabled})
		expect(t, "a pod that opts in", out, injected())
	})
}

// testInstall looks at what the chart made.
func (b *bench) testInstall(t *testing.T) {
	var list struct{ Items []systemPod }
	b.getJSON(t, &list, "get", "pods", "-n", systemNamespace, "-l", "app.kubernetes.io/name=envgraft")
	if len(list.Items) != 2 {
		t.Fatalf("%d pods of envgraft, want 2", len(list.Items))
	}
	for _, pod := range list.Items {
		t.Logf("%s was ready %s after its start", pod.Metadata.Name, pod.untilReady())
		account := "system:serviceaccount:" + systemNamespace + ":" + pod.Spec.ServiceAccountName
		for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete"} {
			// kubectl says "no" with an exit code of 1.
			out, err := b.try("auth", "can-i", verb, "secrets", "-n", "default", "--as", account)
			if strings.TrimSpace(out) != "no" {
				t.Errorf("may envgraft %s Secrets of other namespaces? %s %v", verb, out, err)
			}
		}
	}
}

// systemPod is the part of envgraft's own pods that tests look at.
type systemPod struct {
	Metadata struct{ Name string }
	Spec     struct{ ServiceAccountName string }
	Status   struct {
		Conditions []struct {
			Type, Status       string
			LastTransitionTime time.Time
		}
		ContainerStatuses []struct {
			State struct{ Running struct{ StartedAt time.Time } }
		}
	}
}

// untilReady is how long the pod took from its container's start to readiness.
func (p systemPod) untilReady() time.Duration {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" && len(p.Status.ContainerStatuses) > 0 {
			return c.LastTransitionTime.Sub(p.Status.ContainerStatuses[0].State.Running.StartedAt)
		}
	}
	return 0
}

func (b *bench) testTiers(t *testing.T) {
	a := newApp(webhookNamespace, "myapp")
	pod := b.pod(t, a)
	main := b.environmentOf(t, a.Namespace, pod.Metadata.Name, 8080)
	want := injected()
	want["OWN"] = "from-the-pod"
	want["GREETING"] = "debug is " + fromParameter
	expect(t, "the app", main, want)
	if diff := cmp.Diff([]string{fromParameter}, main.Args); diff != "" {
		t.Errorf("$(DATABASE_URL) in the app's arguments (-want +got):\n%s", diff)
	}
	expect(t, "the init container", b.printedEnvironment(t, a.Namespace, pod.Metadata.Name, "migrate"), injected())
	expect(t, "the native sidecar", b.environmentOf(t, a.Namespace, pod.Metadata.Name, 8081), injected())
	if got, want := pod.Metadata.Annotations[api.AnnotationParameter], "/popapps/myapp/stage/app"; got != want {
		t.Errorf("annotation %s = %q, want %q", api.AnnotationParameter, got, want)
	}
}

// runPod runs a pod to its end and returns the environment that it printed.
func (b *bench) runPod(t *testing.T, namespace, name string, labels map[string]string) environment {
	t.Helper()
	b.apply(t, "pod.yaml", podOf(t, namespace, name, labels, nil))
	b.kubectl(t, "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", "-n", namespace, "pod/"+name)
	return b.printedEnvironment(t, namespace, name, "app")
}

func podOf(t *testing.T, namespace, name string, labels, annotations map[string]string) map[string]string {
	t.Helper()
	return map[string]string{
		"Namespace": namespace, "Name": name, "Image": printenvImage,
		"Labels": jsonOf(t, labels), "Annotations": jsonOf(t, annotations),
	}
}

// testDenials reads what kubectl shows to the person whose pod is refused: it
// must name what is wrong, in words that can be searched for.
func (b *bench) testDenials(t *testing.T) {
	b.ssm.put(t, "/popapps/broken/stage/app", `["not", "an", "object"]`)
	cases := map[string]struct {
		reason              string
		labels, annotations map[string]string
		want                []string
	}{
		"NoApp": {
			reason: "a pod that opted in itself must say which app it is",
			labels: map[string]string{api.LabelInject: api.Enabled},
			want:   []string{api.LabelName},
		},
		"Annotation": {
			reason:      "a setting that cannot be understood never falls back",
			labels:      map[string]string{api.LabelName: "myapp"},
			annotations: map[string]string{api.AnnotationSecretOptional: "perhaps"},
			want:        []string{api.AnnotationSecretOptional, "perhaps", "true"},
		},
		"OtherSystem": {
			reason: "a pod reaches its namespace's parameters only",
			labels: map[string]string{api.LabelName: "myapp", api.LabelSystem: "payments"},
			want:   []string{api.LabelSystem, "payments"},
		},
		"NotAnObject": {
			reason: "the operator would fail on this parameter",
			labels: map[string]string{api.LabelName: "broken"},
			want:   []string{"/popapps/broken/stage/app", "JSON object"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := b.tryApply(t, "pod.yaml", podOf(t, webhookNamespace, "refused", tc.labels, tc.annotations))
			if err == nil {
				t.Fatalf("%s: the pod was admitted:\n%s", tc.reason, out)
			}
			for _, want := range append(tc.want, "denied the request") {
				if !strings.Contains(out, want) {
					t.Errorf("%s: kubectl did not print %q:\n%s", tc.reason, want, out)
				}
			}
		})
	}
}

// testRollback takes the label away, as a person would who wants it all undone.
func (b *bench) testRollback(t *testing.T) {
	a := newApp(webhookNamespace, "myapp")
	b.kubectl(t, "label", "namespace", a.Namespace, api.LabelInject+"-")
	b.kubectl(t, "rollout", "restart", "deployment/"+a.Name, "-n", a.Namespace)
	pod := b.pod(t, a)
	expect(t, "the app after the rollback", b.environmentOf(t, a.Namespace, pod.Metadata.Name, 8080), map[string]string{
		"DEBUG": "from-the-pod", "LOG_LEVEL": "from-the-pod", "OWN": "from-the-pod", "GREETING": "debug is from-the-pod",
		"DATABASE_URL": absent, "MAX_WORKERS": absent,
	})
}
