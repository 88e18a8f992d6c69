//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
)

// plugin is kubectl with the plugin, as an ordinary user has it.
type plugin struct {
	*bench

	path, kubeconfig string
}

// testPlugin asks as a person does who has the ClusterRole admin in one
// namespace and no other right: explain, doctor and status list what they
// needs, say what they could not see, and print no secret.
func (b *bench) testPlugin(t *testing.T) {
	t.Parallel()
	const namespace = "asked"
	b.ssm.putJSON(t, "/asked/shop/stage/app", parameterTier())
	b.optedIn(t, namespace)
	b.configMap(t, namespace, "shop-config", configMapTier())
	shop := newApp(namespace, "shop")
	b.apply(t, "app.yaml", shop)
	pod := b.pod(t, shop)
	p := b.newPlugin(t, namespace)

	out := p.ask(t, 0, "explain", "deploy/shop", "-n", namespace)
	for _, want := range []string{"injected", "/asked/shop/stage/app", "Secret/shop-secrets[DATABASE_URL]", "from-the-config-map", "from-the-pod", pod.Metadata.Name} {
		if !strings.Contains(out, want) {
			t.Errorf("explain does not say %q:\n%s", want, out)
		}
	}
	eventually(t, time.Minute, "doctor to find nothing", func() (bool, string) {
		out, err := p.try("doctor", "deploy/shop", "-n", namespace)
		return err == nil, out
	})
	out = p.ask(t, 0, "doctor", "deploy/shop", "-n", namespace, "-o", "json")
	expectFindings(t, out, map[string]string{"store": "not seen", "reloader": "not seen", "admission": "ok", "secret": "ok", "pods": "ok"})
	if out = p.ask(t, 0, "status", "-n", namespace); !strings.Contains(out, "deployment.apps/shop") || !strings.Contains(out, "yes") {
		t.Errorf("status does not show the app:\n%s", out)
	}
	if out = p.ask(t, 1, "status", "-A"); !strings.Contains(out, "you may not list") {
		t.Errorf("status of all namespaces does not name the missing right:\n%s", out)
	}
	if out = p.kubectl(t, "__complete", "envgraft", "explain", "-n", namespace, "deploy/s"); !strings.Contains(out, "deploy/shop") {
		t.Errorf("kubectl completes nothing:\n%s", out)
	}

	b.kubectl(t, "label", "namespace", namespace, api.LabelInject+"-")
	if out = p.ask(t, 1, "doctor", "deploy/shop", "-n", namespace); !strings.Contains(out, "kubectl label namespace asked envgraft.dev/inject=enabled") {
		t.Errorf("doctor does not print the fix:\n%s", out)
	}
}

// newPlugin builds the plugin and makes the user.
func (b *bench) newPlugin(t *testing.T, namespace string) plugin {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"kubectl-envgraft", "kubectl_complete-envgraft"} {
		if err := os.Symlink(b.program, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.apply(t, "plugin.yaml", map[string]string{"Namespace": namespace})
	token := strings.TrimSpace(b.kubectl(t, "create", "token", "jane", "-n", namespace))
	p := plugin{b, dir + ":" + filepath.Dir(b.kubectlBin) + ":" + os.Getenv("PATH"), filepath.Join(dir, "kubeconfig")}
	text, err := os.ReadFile(b.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"config", "set-credentials", "jane", "--token=" + token},
		{"config", "set-context", "--current", "--user=jane", "--namespace=" + namespace},
	} {
		p.kubectl(t, args...)
	}
	return p
}

// kubectl runs kubectl as the user.
func (p plugin) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return p.run(t, commandTimeout, append([]string{"env", "PATH=" + p.path, "KUBECONFIG=" + p.kubeconfig, p.kubectlBin}, args...)...)
}

// try runs the plugin and returns all that it printed. A value of the parameter
// is in none of it.
func (p plugin) try(args ...string) (string, error) {
	stdout, stderr, err := p.output(commandTimeout, nil, append([]string{
		"env", "PATH=" + p.path, "KUBECONFIG=" + p.kubeconfig, p.kubectlBin, "envgraft",
	}, args...)...)
	out := stdout + stderr
	if found := canary.Find(out); len(found) > 0 {
		return out, fmt.Errorf("it prints a secret: %q", found)
	}
	return out, err
}

// ask is try for what must end with an exit code of 0, or not.
func (p plugin) ask(t *testing.T, code int, args ...string) string {
	t.Helper()
	out, err := p.try(args...)
	if (err == nil) != (code == 0) || len(canary.Find(out)) > 0 {
		t.Fatalf("kubectl envgraft %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return out
}

func expectFindings(t *testing.T, text string, want map[string]string) {
	t.Helper()
	var all []struct {
		Findings []struct{ Check, Status string }
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		t.Fatalf("doctor printed no JSON: %v\n%s", err, text)
	}
	for _, f := range all[0].Findings {
		if status, ok := want[f.Check]; ok && status != f.Status {
			t.Errorf("%s is %q, want %q:\n%s", f.Check, f.Status, status, text)
		}
	}
}
