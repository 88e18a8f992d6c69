package controller

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// TestGarbageCollection has Kubernetes' own garbage collector take an
// ExternalSecret away with the last of its workloads, and not before.
func TestGarbageCollection(t *testing.T) {
	ready(t)
	startDefault(t)
	garbageCollector(t)
	ns := namespace(t, optedIn())
	first, _ := deployment(t, ns, "first", "shop", marks{})
	second, _ := deployment(t, ns, "second", "shop", marks{})
	waitFor(t, ns, "shop-external", ownedBy("Deployment/first", "Deployment/second"))

	remove(t, first, client.PropagationPolicy(metav1.DeletePropagationBackground))
	waitFor(t, ns, "shop-external", ownedBy("Deployment/second"))
	remove(t, second, client.PropagationPolicy(metav1.DeletePropagationBackground))
	eventually(t, "collection of the ExternalSecret", func() error {
		e, err := getExternalSecret(t, ns, "shop-external")
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("%w, owned by %v: %w", errStill, owners(e), err)
	})

	// With --cascade=orphan the pods stay, and so does what they read.
	third, _ := deployment(t, ns, "third", "orphan", marks{})
	e := waitFor(t, ns, "orphan-external", ownedBy("Deployment/third"))
	remove(t, third, client.PropagationPolicy(metav1.DeletePropagationOrphan))
	eventually(t, "an ExternalSecret without owners", func() error {
		now, err := getExternalSecret(t, ns, "orphan-external")
		if err != nil {
			t.Fatalf("the ExternalSecret of running pods was collected: %v", err)
		}
		refs := now.GetOwnerReferences()
		if now.GetUID() != e.GetUID() {
			t.Fatal("the ExternalSecret of running pods was collected and made again")
		}
		if len(refs) != 0 {
			return fmt.Errorf("owners are %v", owners(now))
		}
		return nil
	})
}

// garbageCollector runs kube-controller-manager with that controller alone.
func garbageCollector(t *testing.T) {
	t.Helper()
	program := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager")
	if _, err := os.Stat(program); err != nil {
		t.Skip("the assets hold no kube-controller-manager; those that test/controlplane builds do, and the tests in kind have one")
	}
	user, err := plane.AddUser(envtest.User{Name: "garbage-collector", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, //nolint:gosec // the assets are the developer's own; it is killed when the test ends
		"--kubeconfig="+file, "--authentication-kubeconfig="+file, "--authorization-kubeconfig="+file,
		"--controllers=garbage-collector-controller", "--leader-elect=false",
		"--secure-port="+strconv.Itoa(freePort(t)), "--bind-address=127.0.0.1", "--cert-dir="+t.TempDir())
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("kube-controller-manager:\n%s", said[max(0, len(said)-8192):])
		}
		_ = log.Close()
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}
