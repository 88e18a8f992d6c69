package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/envgraft/envgraft/internal/api"
)

const (
	// created is how many pods one turn makes, by how many clients at once.
	created = 3000
	clients = 16
	// fakeNodes are what the pods are bound to. The nodes themselves do nothing
	// for a creation, and are not there.
	fakeNodes = 5000
)

// BenchmarkCreation has a real API server create pods as fast as it can, beside
// etcd, the clients and envgraft on the same cores: with the webhook and
// without, in turns. Run it with -benchtime 1x.
func BenchmarkCreation(b *testing.B) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		b.Skip("KUBEBUILDER_ASSETS names no kube-apiserver: run make bench")
	}
	env := &envtest.Environment{}
	env.ControlPlane.GetAPIServer().Configure().Append("disable-admission-plugins", "ServiceAccount")
	restConfig, err := env.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := env.Stop(); err != nil {
			b.Error(err)
		}
	})
	restConfig.QPS = -1
	writer, err := client.New(restConfig, client.Options{})
	if err != nil {
		b.Fatal(err)
	}
	program := startProgram(b, writer)
	apiServer := env.ControlPlane.GetAPIServer().CertDir
	for round := range 3 {
		for _, namespace := range []string{"bare", "injected"} {
			b.Run(fmt.Sprintf("pods=%s/round=%d", namespace, round), func(b *testing.B) {
				for b.Loop() {
					create(b, restConfig, namespace, round, program, processOf(b, apiServer))
				}
			})
		}
	}
}

// startProgram serves the webhook to the API server, and returns its process.
func startProgram(b *testing.B, writer client.Client) (pid int) {
	b.Helper()
	dir := b.TempDir()
	program := filepath.Join(dir, "envgraft")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "../../cmd/envgraft").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	facts := filepath.Join(dir, "facts.yaml")
	if err := os.WriteFile(facts, []byte("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: injected\n  labels: {envgraft.dev/inject: enabled}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address, ca := listener.Addr().String(), filepath.Join(dir, "ca.crt")
	if err := listener.Close(); err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), program, "serve", "--standalone", "--manifests", facts, "--listen", address, "--ca-file", ca)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })

	for _, name := range []string{"bare", "injected"} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"bench": name}}}
		if err := writer.Create(b.Context(), ns); err != nil {
			b.Fatal(err)
		}
	}
	var bundle []byte
	for deadline := time.Now().Add(30 * time.Second); len(bundle) == 0; {
		if bundle, err = os.ReadFile(ca); err != nil && time.Now().After(deadline) {
			b.Fatalf("the program has written no CA: %v", err)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // polled until the deadline
	}
	url := "https://" + address + api.PodsWebhook
	fail, none, timeout := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, int32(10)
	err = writer.Create(b.Context(), &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "envgraft"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "pods.envgraft.dev", FailurePolicy: &fail, SideEffects: &none, TimeoutSeconds: &timeout, AdmissionReviewVersions: []string{"v1"},
			ClientConfig:      admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: bundle},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"bench": "injected"}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	// The API server calls a webhook a moment after it was told of it.
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) { //nolint:forbidigo // polled until the deadline
		pod := benchPod("injected", 0)
		if err := writer.Create(b.Context(), pod, client.DryRunAll); err != nil {
			b.Fatal(err)
		}
		if pod.Annotations[api.AnnotationInjected] != "" {
			return command.Process.Pid
		}
		if time.Now().After(deadline) {
			b.Fatalf("pods are not injected: %v", pod.Annotations)
		}
	}
}

// benchPod is a pod of one of 500 apps.
func benchPod(namespace string, n int) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, GenerateName: "app-", Labels: map[string]string{api.LabelName: fmt.Sprintf("app-%d", n%500)},
	}}
	pod.Spec.NodeName = fmt.Sprintf("node-%d", n%fakeNodes)
	for c := range 2 {
		container := corev1.Container{Name: fmt.Sprintf("app-%d", c), Image: "registry.example.com/shop/app:1.2.3"}
		for v := range 10 {
			container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("VAR_%d", v), Value: fmt.Sprintf("value of variable %d", v)})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, container)
	}
	return pod
}

// create makes pods, and reports what that cost each program.
func create(b *testing.B, restConfig *rest.Config, namespace string, round, program, apiServer int) {
	b.Helper()
	writer, err := client.New(restConfig, client.Options{})
	if err != nil {
		b.Fatal(err)
	}
	before := [2]time.Duration{cpuOf(b, program), cpuOf(b, apiServer)}
	began := time.Now()
	var mu sync.Mutex
	var took []time.Duration
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(clients)
	for n := range created {
		group.Go(func() error {
			start := time.Now()
			if err := writer.Create(ctx, benchPod(namespace, round*created+n)); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(start))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	wall := time.Since(began)
	slices.Sort(took)
	b.ReportMetric(created/wall.Seconds(), "pods/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms/p99")
	b.ReportMetric(float64((cpuOf(b, program)-before[0]).Microseconds())/created, "µs-envgraft/pod")
	b.ReportMetric(float64((cpuOf(b, apiServer)-before[1]).Microseconds())/created, "µs-apiserver/pod")
}

// cpuOf is what a process has used, of all its threads.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		b.Fatalf("/proc tells nothing of process %d: %v", pid, err)
	}
	var total time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(n)
	}
	return total
}

// processOf finds the API server by the directory of its certificates.
func processOf(b *testing.B, certificates string) int {
	b.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		b.Fatal(err)
	}
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), "kube-apiserver") && strings.Contains(string(text), certificates) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				b.Fatal(err)
			}
			return pid
		}
	}
	b.Fatalf("no kube-apiserver has its certificates in %s", certificates)
	return 0
}
