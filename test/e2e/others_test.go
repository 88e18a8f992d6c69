//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/test/canary"
)

// secret is the part of a Secret that tests look at.
type secret struct {
	Metadata struct {
		ResourceVersion string
		OwnerReferences []struct{ Kind, Name string }
	}
	Data map[string][]byte
}

func (b *bench) secret(t *testing.T, namespace, name string) secret {
	t.Helper()
	var s secret
	b.getJSON(t, &s, "get", "secret", name, "-n", namespace)
	return s
}

// handNamespace is that of the app whose Secret was made by hand.
const handNamespace = "by-hand"

// untouched fails if its Secret has other data than a person gave it, or an owner
// with which it would go.
func (b *bench) untouched(t *testing.T, after string, want map[string]string) {
	t.Helper()
	const name = "shop-secrets"
	s := b.secret(t, handNamespace, name)
	got := map[string]string{}
	for key, value := range s.Data {
		got[key] = string(value)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: data of Secret %s (-want +got):\n%s", after, name, diff)
	}
	if len(s.Metadata.OwnerReferences) > 0 {
		t.Errorf("%s: Secret %s is owned by %v, and would go with it", after, name, s.Metadata.OwnerReferences)
	}
}

// event waits for an Event on a Deployment, and returns what it says.
func (b *bench) event(t *testing.T, a app, reason string) string {
	t.Helper()
	var list struct {
		Items []struct{ Message string }
	}
	eventually(t, time.Minute, fmt.Sprintf("Event %s on Deployment %s", reason, a.Name), func() (bool, string) {
		out, err := b.try("get", "events", "-n", a.Namespace, "-o", "json",
			"--field-selector", "involvedObject.kind=Deployment,involvedObject.name="+a.Name+",reason="+reason)
		if err != nil {
			return false, out
		}
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			return false, err.Error()
		}
		return len(list.Items) > 0, b.kubectl(t, "get", "events", "-n", a.Namespace)
	})
	return list.Items[0].Message
}

// testSecretByHand opts an app in that has its Secret already, made by hand: it
// keeps its data whatever happens around it.
func (b *bench) testSecretByHand(t *testing.T) {
	t.Parallel()
	const namespace, path = handNamespace, "/by-hand/shop/stage/app"
	byHand := map[string]string{"DATABASE_URL": "by-hand", "ONLY_HERE": "by-hand"}
	shop := newApp(namespace, "shop")
	b.optedIn(t, namespace)
	b.kubectl(t, append([]string{"create", "secret", "generic", "shop-secrets", "-n", namespace}, literals(byHand)...)...)
	b.apply(t, "app.yaml", shop)
	expect(t, "the app without a parameter", b.environmentOf(t, namespace, b.pod(t, shop).Metadata.Name, 8080), byHand)
	b.reports(t, namespace, "shop-external", "could not get secret data")
	b.untouched(t, "the parameter is missing", byHand)

	b.ssm.putJSON(t, path, parameterTier())
	if said := b.event(t, shop, externalsecret.ReasonOccupied); !strings.Contains(said, "shop-secrets") {
		t.Errorf("the Event does not name the Secret: %s", said)
	}
	b.reports(t, namespace, "shop-external", "could not update")
	b.untouched(t, "the parameter has keys", byHand)
	b.kubectl(t, "delete", "pods", "-n", namespace, "-l", "instance=shop", "--wait=false")
	b.podWith(t, shop, "ONLY_HERE", "by-hand")
	b.untouched(t, "its pods were deleted", byHand)
	b.kubectl(t, "delete", "deployment", "shop", "-n", namespace)
	b.gone(t, namespace, "externalsecret/shop-external")
	b.untouched(t, "its workload was deleted", byHand)
}

// reports waits until the operator says so of an ExternalSecret.
func (b *bench) reports(t *testing.T, namespace, name, want string) {
	t.Helper()
	eventually(t, time.Minute, "ExternalSecret "+name+" to say "+want, func() (bool, string) {
		out, err := b.try("get", "externalsecret", name, "-n", namespace, "-o", "jsonpath={.status.conditions}")
		return err == nil && strings.Contains(out, want), out
	})
}

// testForeignSecret has the author of one pod ask for a Secret that is somebody
// else's.
func (b *bench) testForeignSecret(t *testing.T) {
	t.Parallel()
	const namespace = "tls"
	certificate := map[string]string{"tls.crt": "certificate", "tls.key": "key"}
	b.namespace(t, namespace)
	b.ssm.putJSON(t, "/tls/thief/stage/app", parameterTier())
	b.ssm.putJSON(t, "/tls/honest/stage/app", parameterTier())
	b.kubectl(t, append([]string{"create", "secret", "generic", "ingress-tls", "-n", namespace}, literals(certificate)...)...)
	before := b.secret(t, namespace, "ingress-tls")
	optIn := func(app string) map[string]string {
		return map[string]string{api.LabelName: app, api.LabelInject: api.Enabled}
	}
	b.apply(t, "pod.yaml", podOf(t, namespace, "thief", optIn("thief"), map[string]string{api.AnnotationSecretName: "ingress-tls"}))
	// One that came later has been seen to: so has the first.
	expect(t, "a pod that asks for its own", b.runPod(t, namespace, "honest", optIn("honest")), map[string]string{"DATABASE_URL": fromParameter})
	b.kubectl(t, "delete", "pod", "thief", "-n", namespace)
	b.syncedTwice(t, namespace, "honest-external")
	if out := b.kubectl(t, "get", "externalsecrets", "-n", namespace, "-o", "name"); out != "externalsecret.external-secrets.io/honest-external\n" {
		t.Errorf("ExternalSecrets of the namespace: %s", out)
	}
	if diff := cmp.Diff(before, b.secret(t, namespace, "ingress-tls")); diff != "" {
		t.Errorf("Secret ingress-tls before and after (-want +got):\n%s", diff)
	}
}

// testRevoked gives a namespace another system under an app that names its
// parameter.
func (b *bench) testRevoked(t *testing.T) {
	t.Parallel()
	const namespace, path = "moved", "/before/shop/stage/app"
	shop := newApp(namespace, "shop")
	shop.Annotations = jsonOf(t, map[string]string{api.AnnotationParameter: path})
	first := b.move(t, shop, path)
	if said := b.event(t, shop, externalsecret.ReasonRevoked); !strings.Contains(said, path) {
		t.Errorf("the Event does not name the parameter: %s", said)
	}
	rotated := b.rotateUnseen(t, shop, path)
	b.restartInPlace(t, namespace, first.Metadata.Name, "app")
	expect(t, "the pod that ran, after a restart of its container", b.environmentOf(t, namespace, first.Metadata.Name, 8080),
		map[string]string{"API_KEY": fromParameter})
	out, err := b.tryApply(t, "pod.yaml", podOf(t, namespace, "late", map[string]string{api.LabelName: "shop"}, map[string]string{api.AnnotationParameter: path}))
	if err == nil || !strings.Contains(out, path) {
		t.Errorf("a new pod that asks for the parameter is not refused by its name: %v\n%s", err, out)
	}

	b.kubectl(t, "label", "namespace", namespace, api.LabelSystem+"=before", "--overwrite")
	eventually(t, time.Minute, "the rotated value, for the namespace was set back", func() (bool, string) {
		got := string(b.secret(t, namespace, "shop-secrets").Data["API_KEY"])
		return got == rotated, got
	})
}

// testMoved does it under an app whose parameter follows its namespace's system.
func (b *bench) testMoved(t *testing.T) {
	t.Parallel()
	const namespace, old, path = "moving", "/old/shop/stage/app", "/after/shop/stage/app"
	shop := newApp(namespace, "shop")
	first := b.move(t, shop, old)
	b.rotateUnseen(t, shop, old)
	b.restartInPlace(t, namespace, first.Metadata.Name, "app")
	expect(t, "the pod that ran, after a restart of its container", b.environmentOf(t, namespace, first.Metadata.Name, 8080),
		map[string]string{"API_KEY": fromParameter})
	if said := b.event(t, shop, externalsecret.ReasonFailing); !strings.Contains(said, "shop-external") {
		t.Errorf("the Event does not name the ExternalSecret: %s", said)
	}

	own := parameterTier()
	own["API_KEY"] = canary.Value("its-own")
	b.ssm.putJSON(t, path, own)
	eventually(t, time.Minute, "the value of the new system's parameter", func() (bool, string) {
		got := string(b.secret(t, namespace, "shop-secrets").Data["API_KEY"])
		return got == own["API_KEY"], got
	})
}

// move runs an app with the parameter of one system, and gives its namespace
// the system "after". It returns the pod that runs.
func (b *bench) move(t *testing.T, a app, path string) pod {
	t.Helper()
	b.ssm.putJSON(t, path, parameterTier())
	b.optedIn(t, a.Namespace)
	b.kubectl(t, "label", "namespace", a.Namespace, api.LabelSystem+"="+strings.Split(path, "/")[1])
	b.apply(t, "app.yaml", a)
	pod := b.pod(t, a)
	b.kubectl(t, "label", "namespace", a.Namespace, api.LabelSystem+"=after", "--overwrite")
	return pod
}

// rotateUnseen rotates a parameter that was taken away, which must not reach the
// Secret. It returns the new value.
func (b *bench) rotateUnseen(t *testing.T, a app, path string) string {
	t.Helper()
	rotated := parameterTier()
	rotated["API_KEY"] = canary.Value("after-the-move")
	// One that came later has been refreshed twice by then.
	other := newApp(a.Namespace, "other")
	b.ssm.putJSON(t, "/after/other/stage/app", parameterTier())
	b.apply(t, "app.yaml", other)
	b.pod(t, other)
	b.ssm.putJSON(t, path, rotated)
	b.syncedTwice(t, a.Namespace, "other-external")
	if got := string(b.secret(t, a.Namespace, "shop-secrets").Data["API_KEY"]); got != fromParameter {
		t.Errorf("the Secret has not what it had: the rotation has reached it: %t", got == rotated["API_KEY"])
	}
	return rotated["API_KEY"]
}

// restartInPlace has a container of a pod end, and waits for the next.
func (b *bench) restartInPlace(t *testing.T, namespace, name, container string) {
	t.Helper()
	node := b.kubectl(t, "get", "pod", name, "-n", namespace, "-o", "jsonpath={.spec.nodeName}")
	b.node(t, node, "sh", "-c", "crictl stop --timeout 1 $(crictl ps --quiet --name '^"+container+"$' --label io.kubernetes.pod.name="+name+")")
	eventually(t, time.Minute, "container "+container+" of "+name+" to run again", func() (bool, string) {
		out, err := b.try("get", "pod", name, "-n", namespace, "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")
		return err == nil && out == "1 true", out
	})
}
