//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
)

const reloaderNamespace = "reloader"

// testExternalSecrets proves the whole way, with the real operators: a person
// labels a namespace and deploys, and everything else follows.
func (b *bench) testExternalSecrets(t *testing.T) {
	b.tellsNothing(t)
	b.startESO(t)
	b.installForPeople(t, "5s")
	t.Run("FromOneLabel", b.testFromOneLabel)
	t.Run("Placeholder", b.testPlaceholder)
	t.Run("ChartOfOthers", b.testChartOfOthers)
	t.Run("Rotation", b.testRotation)
	t.Run("LastWorkload", b.testLastWorkload)
	t.Run("WorkloadOptsIn", b.testWorkloadOptsIn)
	t.Run("SecretByHand", b.testSecretByHand)
	t.Run("ForeignSecret", b.testForeignSecret)
	t.Run("Revoked", b.testRevoked)
	t.Run("Moved", b.testMoved)
	t.Run("Plugin", b.testPlugin)
}

// installForPeople installs envgraft as a person has it who waits for refreshes.
func (b *bench) installForPeople(t *testing.T, interval string) {
	t.Helper()
	b.install(t, map[string]any{"externalSecrets": map[string]any{
		"enabled": true, "refreshInterval": interval, "minRefreshInterval": "5s", "deletionPolicy": "Delete",
		"secretStore": map[string]string{"kind": api.DefaultStoreKind, "name": api.DefaultStoreName},
	}})
}

// startReloader installs Reloader where there is an image of it.
func (b *bench) startReloader(t *testing.T) bool {
	t.Helper()
	image := os.Getenv("RELOADER_IMAGE")
	if image == "" {
		return false
	}
	b.load(t, image)
	b.apply(t, "reloader.yaml", map[string]string{"Namespace": reloaderNamespace, "Image": image})
	b.rolledOut(t, reloaderNamespace, "deployment/reloader")
	return true
}

// optedIn makes a namespace as a person does who wants all of its apps grafted.
func (b *bench) optedIn(t *testing.T, namespace string) {
	t.Helper()
	b.namespace(t, namespace)
	b.kubectl(t, "label", "namespace", namespace, api.LabelInject+"="+api.Enabled)
}

func (b *bench) testFromOneLabel(t *testing.T) {
	t.Parallel()
	const namespace = "orders"
	b.ssm.putJSON(t, "/orders/shop/stage/app", parameterTier())
	b.optedIn(t, namespace)
	b.configMap(t, namespace, "shop-config", configMapTier())
	shop := newApp(namespace, "shop")
	b.apply(t, "app.yaml", shop)

	pod := b.pod(t, shop)
	expect(t, "the app", b.environmentOf(t, namespace, pod.Metadata.Name, 8080), injected())
	expect(t, "the init container", b.printedEnvironment(t, namespace, pod.Metadata.Name, "migrate"), injected())
	b.expectSameByRun(t, namespace, pod.Metadata.Name)
	es := b.externalSecret(t, namespace, "shop-external")
	if diff := cmp.Diff([]string{"Deployment/shop"}, es.owners()); diff != "" {
		t.Errorf("owners of the ExternalSecret (-want +got):\n%s", diff)
	}
	if got := b.deployment(t, shop).Metadata.Annotations[api.ReloaderSecret]; got != "shop-secrets" {
		t.Errorf("annotation %s of the Deployment = %q, want %q", api.ReloaderSecret, got, "shop-secrets")
	}
	if got := b.replicaSets(t, shop); got != 1 {
		t.Errorf("%d ReplicaSets, want 1: nothing may restart an app that started whole", got)
	}
}

// testPlaceholder deploys an app before anybody has set its secrets, as a
// pipeline does: it must run, and get them once they are there.
func (b *bench) testPlaceholder(t *testing.T) {
	t.Parallel()
	const namespace, path = "fresh", "/fresh/shop/stage/app"
	b.ssm.put(t, path, "{}")
	b.optedIn(t, namespace)
	b.configMap(t, namespace, "shop-config", configMapTier())
	shop := newApp(namespace, "shop")
	b.apply(t, "app.yaml", shop)

	first := b.pod(t, shop)
	expect(t, "the app with a placeholder", b.environmentOf(t, namespace, first.Metadata.Name, 8080), map[string]string{
		"DATABASE_URL": absent, "LOG_LEVEL": "from-the-config-map", "DEBUG": "from-the-pod",
	})
	out := b.apply(t, "pod.yaml", podOf(t, namespace, "warned", map[string]string{api.LabelName: "shop"}, nil))
	if !strings.Contains(out, "Warning:") || !strings.Contains(out, path) {
		t.Errorf("kubectl printed no warning about %s:\n%s", path, out)
	}

	b.ssm.putJSON(t, path, parameterTier())
	b.podWith(t, shop, "DATABASE_URL", fromParameter)
	b.syncedTwice(t, namespace, "shop-external")
	if got := b.replicaSets(t, shop); got != 2 {
		t.Errorf("%d ReplicaSets, want 2: one restart, and only one", got)
	}
}

// testRotation changes a parameter under a running app.
func (b *bench) testRotation(t *testing.T) {
	if !b.startReloader(t) {
		t.Skip("RELOADER_IMAGE is empty: set it to an image of stakater/Reloader to see a rotation through")
	}
	t.Parallel()
	const namespace, path = "rotating", "/rotating/shop/stage/app"
	b.ssm.putJSON(t, path, parameterTier())
	b.optedIn(t, namespace)
	shop := newApp(namespace, "shop")
	b.apply(t, "app.yaml", shop)
	b.apply(t, "cronjob.yaml", app{Namespace: namespace, Name: "nightly", App: "shop", Image: printenvImage})
	b.pod(t, shop)

	rotated := parameterTier()
	rotated["API_KEY"] = canary.Value("rotated")
	b.ssm.putJSON(t, path, rotated)
	start := time.Now()
	b.podWith(t, shop, "API_KEY", canary.Value("rotated"))
	t.Logf("from put-parameter to a new pod with the new value: %.1f s", time.Since(start).Seconds())

	b.syncedTwice(t, namespace, "shop-external")
	if got := b.replicaSets(t, shop); got != 2 {
		t.Errorf("%d ReplicaSets, want 2: the update that Reloader makes must not lead to another rollout", got)
	}
	if out := b.kubectl(t, "get", "jobs", "-n", namespace, "-o", "name"); out != "" {
		t.Errorf("a CronJob ran off schedule: %s", out)
	}
}

// testLastWorkload deletes the workloads of an app one by one.
func (b *bench) testLastWorkload(t *testing.T) {
	t.Parallel()
	const namespace = "leaving"
	b.ssm.putJSON(t, "/leaving/shop/stage/app", parameterTier())
	b.optedIn(t, namespace)
	web, worker := newApp(namespace, "web"), newApp(namespace, "worker")
	web.App, worker.App = "shop", "shop"
	for _, a := range []app{web, worker} {
		b.apply(t, "app.yaml", a)
		b.pod(t, a)
	}
	b.ownedBy(t, namespace, "shop-external", "Deployment/web", "Deployment/worker")
	b.kubectl(t, "delete", "deployment", "web", "-n", namespace)
	b.ownedBy(t, namespace, "shop-external", "Deployment/worker")
	if out := b.kubectl(t, "get", "secret", "shop-secrets", "-n", namespace, "-o", "name"); out == "" {
		t.Error("the Secret is gone while a workload still uses it")
	}
	b.kubectl(t, "delete", "deployment", "worker", "-n", namespace)
	b.gone(t, namespace, "externalsecret/shop-external")
	b.gone(t, namespace, "secret/shop-secrets")
}

// testWorkloadOptsIn labels one Deployment of a namespace that opted in to
// nothing, and takes the label away again.
func (b *bench) testWorkloadOptsIn(t *testing.T) {
	t.Parallel()
	const namespace = "mixed"
	b.ssm.putJSON(t, "/mixed/shop/stage/app", parameterTier())
	b.namespace(t, namespace)
	shop := newApp(namespace, "shop")
	b.apply(t, "app.yaml", shop)
	b.podWith(t, shop, "DATABASE_URL", "")

	b.kubectl(t, "label", "deployment", shop.Name, "-n", namespace, api.LabelInject+"="+api.Enabled)
	b.podWith(t, shop, "DATABASE_URL", fromParameter)
	b.kubectl(t, "label", "deployment", shop.Name, "-n", namespace, api.LabelInject+"-")
	b.podWith(t, shop, "DATABASE_URL", "")
	if got, ok := b.deployment(t, shop).Metadata.Annotations[api.ReloaderSecret]; ok {
		t.Errorf("annotation %s = %q is left on a Deployment that opted out", api.ReloaderSecret, got)
	}
}

// externalSecret is the part of an ExternalSecret that tests look at.
type externalSecret struct {
	Metadata struct {
		Name            string
		OwnerReferences []struct{ Kind, Name string }
	}
	Status struct{ RefreshTime time.Time }
}

func (e externalSecret) owners() []string {
	var owners []string
	for _, o := range e.Metadata.OwnerReferences {
		owners = append(owners, o.Kind+"/"+o.Name)
	}
	slices.Sort(owners)
	return owners
}

func (b *bench) externalSecret(t *testing.T, namespace, name string) externalSecret {
	t.Helper()
	var es externalSecret
	b.getJSON(t, &es, "get", "externalsecret", name, "-n", namespace)
	return es
}

// ownedBy waits until an ExternalSecret has exactly these owners.
func (b *bench) ownedBy(t *testing.T, namespace, name string, owners ...string) {
	t.Helper()
	eventually(t, time.Minute, fmt.Sprintf("ExternalSecret %s to be owned by %v", name, owners), func() (bool, string) {
		got := b.externalSecret(t, namespace, name).owners()
		return slices.Equal(got, owners), fmt.Sprint(got)
	})
}

// syncedTwice waits until the operator has refreshed an ExternalSecret two more
// times: whatever follows from the state it is in has followed by then.
func (b *bench) syncedTwice(t *testing.T, namespace, name string) {
	t.Helper()
	last, times := b.externalSecret(t, namespace, name).Status.RefreshTime, 0
	eventually(t, time.Minute, "two more refreshes of ExternalSecret "+name, func() (bool, string) {
		now := b.externalSecret(t, namespace, name).Status.RefreshTime
		if now.After(last) {
			last, times = now, times+1
		}
		return times >= 2, fmt.Sprintf("%d refreshes, the last at %s", times, last)
	})
}

// podWith waits for a ready pod whose process has a value in its environment.
func (b *bench) podWith(t *testing.T, a app, name, value string) {
	t.Helper()
	eventually(t, 90*time.Second, fmt.Sprintf("a pod of %s with %s=%s", a.Name, name, value), func() (bool, string) {
		var saw []string
		for _, pod := range b.pods(t, a) {
			if !pod.ready() {
				saw = append(saw, pod.Metadata.Name+" is not ready")
				continue
			}
			// A pod may go away between the list and the question.
			out, err := b.try("get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8080/proxy/", a.Namespace, pod.Metadata.Name))
			if err != nil {
				saw = append(saw, pod.Metadata.Name+": "+out)
				continue
			}
			got := decodeEnvironment(t, out).Env[name]
			if got == value {
				return true, ""
			}
			saw = append(saw, fmt.Sprintf("%s has %s=%q", pod.Metadata.Name, name, got))
		}
		return false, strings.Join(saw, "\n")
	})
}

// deployment is the part of a Deployment that tests look at.
type deployment struct {
	Metadata struct{ Annotations map[string]string }
}

func (b *bench) deployment(t *testing.T, a app) deployment {
	t.Helper()
	var d deployment
	b.getJSON(t, &d, "get", "deployment", a.Name, "-n", a.Namespace)
	return d
}

// replicaSets counts the rollouts that a Deployment has had.
func (b *bench) replicaSets(t *testing.T, a app) int {
	t.Helper()
	return len(strings.Fields(b.kubectl(t, "get", "replicasets", "-n", a.Namespace, "-l", "instance="+a.Name, "-o", "name")))
}
