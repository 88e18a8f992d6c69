//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
)

const (
	rolloutsModule    = "github.com/argoproj/argo-rollouts@v1.10.1"
	rolloutsPublished = "quay.io/argoproj/argo-rollouts:latest"
	rolloutsImage     = "localhost/envgraft-e2e/argo-rollouts:e2e"
	rolloutsNamespace = "argo-rollouts"
)

// startRollouts installs Argo Rollouts by its own manifest, with its controller
// built from its Go module.
func (b *bench) startRollouts(t *testing.T) {
	t.Helper()
	module, dir := b.moduleDir(t, rolloutsModule), t.TempDir()
	b.run(t, 25*time.Minute, "env", "GOOS=linux", "CGO_ENABLED=0",
		"go", "-C", module, "build", "-trimpath", "-o", filepath.Join(dir, "program"), "./cmd/rollouts-controller")
	b.wrap(t, dir, rolloutsImage)
	b.load(t, rolloutsImage)
	manifest, err := os.ReadFile(filepath.Join(module, "manifests", "install.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manifest), rolloutsPublished) {
		t.Fatalf("the manifest of %s does not name the image %s", rolloutsModule, rolloutsPublished)
	}
	text := strings.NewReplacer(rolloutsPublished, rolloutsImage, "imagePullPolicy: Always", "imagePullPolicy: IfNotPresent").Replace(string(manifest))
	file := filepath.Join(dir, "install.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.kubectl(t, "delete", "namespace", rolloutsNamespace, "--wait=false") })
	b.kubectl(t, "create", "namespace", rolloutsNamespace)
	b.kubectl(t, "apply", "--server-side", "-n", rolloutsNamespace, "-f", file)
	b.rolledOut(t, rolloutsNamespace, "deployment/argo-rollouts")
	t.Cleanup(func() {
		if t.Failed() {
			b.show(t, "logs", "-n", rolloutsNamespace, "deployment/argo-rollouts", "--tail=60")
			b.show(t, "get", "rollouts,replicasets", "-n", "canary", "-o", "yaml")
		}
	})
}

// argoRollout is the part of a Rollout that tests look at.
type argoRollout struct {
	Spec struct {
		RestartAt string `json:"restartAt"`
	}
	Status struct {
		Phase, CurrentPodHash, StableRS string
		AvailableReplicas               int
		PauseConditions                 []struct{ Reason string }
	}
}

// whole says that no canary is under way.
func (r argoRollout) whole() bool {
	return r.Status.Phase == "Healthy" && r.Status.CurrentPodHash == r.Status.StableRS && r.Status.AvailableReplicas == 2
}

// testRollouts proves with the real controller that a Secret that comes late, and
// a rotation, restart a Rollout's pods and start no canary.
func (b *bench) testRollouts(t *testing.T, reloader bool) {
	t.Helper()
	const namespace, parameter = "canary", "/canary/web/stage/app"
	b.startRollouts(t)
	if reloader {
		b.reloadsRollouts(t)
	}
	b.fromFile(t, namespace, b.startsWithoutSecret(t, b.runnable(t, "examples/rollouts/app.yaml")))
	rolledOut := b.healthy(t, namespace)
	hash := rolledOut.Status.StableRS
	for _, p := range b.podsOf(t, namespace, api.LabelName+"=web") {
		if p.Metadata.Annotations[api.AnnotationAwaitsSecret] != "true" {
			t.Errorf("pod %s does not await its Secret: %v", p.Metadata.Name, p.Metadata.Annotations)
		}
	}

	b.ssm.putJSON(t, parameter, parameterTier())
	b.allHave(t, namespace, fromParameter)
	restarted := b.healthy(t, namespace)
	if restarted.Spec.RestartAt == "" || restarted.Status.StableRS != hash {
		t.Errorf("the Secret that came late changed the template, or restarted nothing: %+v", restarted)
	}

	t.Run("Rotation", func(t *testing.T) {
		if !reloader {
			t.Skip("RELOADER_IMAGE is not set: nothing restarts pods when a Secret changes")
		}
		rotated := parameterTier()
		rotated["API_KEY"] = canary.Value("rotated")
		b.ssm.putJSON(t, parameter, rotated)
		b.allHave(t, namespace, rotated["API_KEY"])
		if r := b.healthy(t, namespace); r.Status.StableRS != hash {
			t.Errorf("the rotation changed the template: %+v", r)
		}
	})

	// That the controller would start a canary is what the above rests on.
	b.kubectl(t, "patch", "rollout", "web", "-n", namespace, "--type=json",
		"-p", `[{"op":"add","path":"/spec/template/metadata/annotations","value":{"example.com/release":"2"}}]`)
	eventually(t, time.Minute, "a canary that pauses", func() (bool, string) {
		r := b.rollout(t, namespace)
		return len(r.Status.PauseConditions) == 1 && r.Status.CurrentPodHash != hash, fmt.Sprintf("%+v", r)
	})
}

// reloadsRollouts has Reloader restart Rollouts, which it does not by itself.
func (b *bench) reloadsRollouts(t *testing.T) {
	t.Helper()
	b.kubectl(t, "patch", "clusterrole", "reloader", "--type=json", "-p",
		`[{"op":"add","path":"/rules/-","value":{"apiGroups":["argoproj.io"],"resources":["rollouts"],"verbs":["get","list","update","patch"]}}]`)
	b.kubectl(t, "patch", "deployment", "reloader", "-n", reloaderNamespace, "--type=json", "-p",
		`[{"op":"add","path":"/spec/template/spec/containers/0/args","value":["--is-Argo-Rollouts=true"]}]`)
	b.rolledOut(t, reloaderNamespace, "deployment/reloader")
}

// startsWithoutSecret has the pods of a file's workload not wait for their Secret.
func (b *bench) startsWithoutSecret(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const template = "  template:\n    metadata:\n"
	if !strings.Contains(string(text), template) {
		t.Fatalf("%s has no template:\n%s", file, text)
	}
	changed := strings.Replace(string(text), template, template+"      annotations:\n        "+api.AnnotationSecretOptional+": \"true\"\n", 1)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (b *bench) rollout(t *testing.T, namespace string) argoRollout {
	t.Helper()
	var r argoRollout
	b.getJSON(t, &r, "get", "rollout", "web", "-n", namespace)
	return r
}

// healthy waits until no canary is under way.
func (b *bench) healthy(t *testing.T, namespace string) argoRollout {
	t.Helper()
	var r argoRollout
	eventually(t, 2*time.Minute, "the Rollout to be healthy", func() (bool, string) {
		r = b.rollout(t, namespace)
		return r.whole(), fmt.Sprintf("%+v", r)
	})
	return r
}

// allHave waits until both pods have a key of the Secret.
func (b *bench) allHave(t *testing.T, namespace, key string) {
	t.Helper()
	eventually(t, 3*time.Minute, "both pods to have their key", func() (bool, string) {
		pods := b.podsOf(t, namespace, api.LabelName+"=web")
		have := 0
		for _, p := range pods {
			if !p.ready() {
				continue
			}
			out, err := b.try("get", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8080/proxy/", namespace, p.Metadata.Name))
			if err == nil && decodeEnvironment(t, out).Env["API_KEY"] == key {
				have++
			}
		}
		return have == 2 && len(pods) == 2, fmt.Sprintf("%d of %d pods, Rollout %+v", have, len(pods), b.rollout(t, namespace))
	})
}
