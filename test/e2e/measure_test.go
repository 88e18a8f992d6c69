//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/test/canary"
)

const (
	// measuredApps are made for each way of wiring, one after the other in turn.
	measuredApps = 8
	// measuredPods are created in a dry run, in turn with and without the webhook.
	measuredPods = 500
	// measuredRefresh is how often ESO asks SSM, for both.
	measuredRefresh = "5s"
)

// measuredApp is the app of testdata/measured.yaml.
type measuredApp struct {
	Namespace, Name, Image, Parameter, RefreshInterval string
	ByHand                                             bool
}

// measurement compares apps that envgraft wires with the same wired by hand.
type measurement struct {
	*bench

	client kubernetes.Interface
	rows   []string
}

// TestMeasure takes the numbers of docs/performance.md. It asserts none: they
// are the machine's.
func TestMeasure(t *testing.T) {
	if os.Getenv("E2E_MEASURE") != "1" {
		t.Skip("E2E_MEASURE is not 1: set it to measure what envgraft adds in kind, which takes minutes")
	}
	b := newBench(t)
	b.dumpOnFailure(t)
	b.startSSM(t)
	b.buildEnvgraft(t)
	b.startESO(t)
	b.installForPeople(t, measuredRefresh)
	m := &measurement{bench: b, client: b.newStream(t, "").client}
	b.namespace(t, "by-hand-measured")
	b.optedIn(t, "measured")
	t.Cleanup(func() {
		t.Logf("measured:\n| | by hand, median | envgraft, median | by hand, worst | envgraft, worst |\n|---|---|---|---|---|\n%s", strings.Join(m.rows, ""))
	})
	apps := m.measureApply(t)
	m.measureStart(t)
	m.measureAdmission(t)
	if b.startReloader(t) {
		m.measureRotation(t, apps)
	}
}

func (m *measurement) row(what, unit string, scale time.Duration, byHand, envgraft []time.Duration) {
	slices.Sort(byHand)
	slices.Sort(envgraft)
	cell := func(d time.Duration) string {
		return strconv.FormatFloat(float64(d)/float64(scale), 'f', 1, 64) + " " + unit
	}
	m.rows = append(m.rows, fmt.Sprintf("| %s (%d each) | %s | %s | %s | %s |\n", what, len(byHand),
		cell(byHand[len(byHand)/2]), cell(envgraft[len(envgraft)/2]), cell(byHand[len(byHand)-1]), cell(envgraft[len(envgraft)-1])))
}

// measureApply takes the time from kubectl apply of an app that nobody knows
// to its ready pod.
func (m *measurement) measureApply(t *testing.T) []measuredApp {
	t.Helper()
	var apps []measuredApp
	var took [2][]time.Duration
	for i := range measuredApps {
		for way, a := range []measuredApp{
			{Namespace: "by-hand-measured", Name: fmt.Sprintf("app-%d", i), ByHand: true},
			{Namespace: "measured", Name: fmt.Sprintf("app-%d", i)},
		} {
			a.Image, a.RefreshInterval = printenvImage, measuredRefresh
			a.Parameter = "/" + a.Namespace + "/" + a.Name + "/stage/app"
			m.ssm.putJSON(t, a.Parameter, parameterTier())
			start := time.Now()
			m.apply(t, "measured.yaml", a)
			m.readyPod(t, a, "API_KEY", fromParameter)
			took[way] = append(took[way], time.Since(start))
			apps = append(apps, a)
		}
	}
	m.row("kubectl apply of a new app, to its pod that has the secret", "s", time.Second, took[0], took[1])
	return apps
}

// readyPod waits for a pod that is ready and has a value in its environment.
func (m *measurement) readyPod(t *testing.T, a measuredApp, name, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	asked := map[string]bool{}
	for ctx.Err() == nil {
		list, err := m.client.CoreV1().Pods(a.Namespace).List(ctx, metav1.ListOptions{LabelSelector: api.LabelName + "=" + a.Name})
		if err != nil {
			t.Fatal(err)
		}
		for _, pod := range list.Items {
			if asked[pod.Name] || pod.DeletionTimestamp != nil || !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
				return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
			}) {
				continue
			}
			raw, err := m.client.CoreV1().Pods(a.Namespace).ProxyGet("http", pod.Name, "8080", "/", nil).DoRaw(ctx)
			if err != nil {
				continue // the process does not listen yet
			}
			if decodeEnvironment(t, string(raw)).Env[name] == value {
				return
			}
			asked[pod.Name] = true
		}
		<-time.After(25 * time.Millisecond)
	}
	t.Fatalf("%s of %s has no ready pod with the value that %s was given", a.Name, a.Namespace, name)
}

// measureStart takes the time from the creation of a pod of a known app to its
// container's start.
func (m *measurement) measureStart(t *testing.T) {
	t.Helper()
	var took [2][]time.Duration
	for i := range 2 * measuredApps {
		for way, namespace := range []string{"by-hand-measured", "measured"} {
			pod := measuredPod(namespace == "by-hand-measured")
			pod.Name, pod.GenerateName = fmt.Sprintf("start-%d", i), ""
			start := time.Now()
			if _, err := m.client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			for deadline := start.Add(time.Minute); pod.Status.Phase != corev1.PodRunning; <-time.After(25 * time.Millisecond) {
				now, err := m.client.CoreV1().Pods(namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
				if err != nil || time.Now().After(deadline) {
					t.Fatalf("pod %s of %s does not run: %v", pod.Name, namespace, err)
				}
				pod = now
			}
			took[way] = append(took[way], time.Since(start))
			m.kubectl(t, "delete", "pod", pod.Name, "-n", namespace, "--wait=false", "--grace-period=1")
		}
	}
	m.row("creation of a pod of a known app, to Running", "s", time.Second, took[0], took[1])
}

// measuredPod is a pod of app-0.
func measuredPod(byHand bool) *corev1.Pod {
	container := corev1.Container{
		Name: "app", Image: printenvImage, ImagePullPolicy: corev1.PullIfNotPresent,
		Env: []corev1.EnvVar{{Name: "OWN", Value: "from-the-pod"}},
	}
	if byHand {
		container.EnvFrom = []corev1.EnvFromSource{
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "app-0-config"}}},
			{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "app-0-secrets"}}},
		}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "measured-", Labels: map[string]string{api.LabelName: "app-0"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
	}
}

// measureAdmission creates pods in a dry run, one after the other, and asks the API
// server how long it waited for the webhook.
func (m *measurement) measureAdmission(t *testing.T) {
	t.Helper()
	before := m.webhookDuration(t)
	var took [2][]time.Duration
	for range measuredPods {
		for way, namespace := range []string{"by-hand-measured", "measured"} {
			start := time.Now()
			if _, err := m.client.CoreV1().Pods(namespace).Create(t.Context(), measuredPod(way == 0), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
				t.Fatal(err)
			}
			took[way] = append(took[way], time.Since(start))
		}
	}
	m.row("creation of a pod in a dry run, until the API server answers", "ms", time.Millisecond, took[0], took[1])
	after := m.webhookDuration(t)
	count := after.count - before.count
	var said strings.Builder
	for i, le := range after.le {
		fmt.Fprintf(&said, ", %.1f %% within %s s", 100*(after.buckets[i]-before.buckets[i])/count, le)
	}
	t.Logf("the API server's own apiserver_admission_webhook_admission_duration_seconds: %.0f calls, mean %.2f ms%s",
		count, 1000*(after.sum-before.sum)/count, said.String())
}

// duration is a histogram of the API server's.
type duration struct {
	sum, count float64
	le         []string
	buckets    []float64
}

func (m *measurement) webhookDuration(t *testing.T) duration {
	t.Helper()
	var d duration
	for line := range strings.Lines(m.kubectl(t, "get", "--raw", "/metrics")) {
		rest, ok := strings.CutPrefix(line, "apiserver_admission_webhook_admission_duration_seconds_")
		if !ok || !strings.Contains(line, `name="namespace.pods.envgraft.dev"`) || strings.Contains(line, `rejected="true"`) {
			continue
		}
		fields := strings.Fields(rest)
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			t.Fatalf("cannot read %q: %v", line, err)
		}
		switch {
		case strings.HasPrefix(rest, "sum"):
			d.sum = value
		case strings.HasPrefix(rest, "count"):
			d.count = value
		case strings.HasPrefix(rest, "bucket"):
			_, le, _ := strings.Cut(rest, `le="`)
			le, _, _ = strings.Cut(le, `"`)
			d.le, d.buckets = append(d.le, le), append(d.buckets, value)
		}
	}
	return d
}

// measureRotation takes the time from put-parameter to a new pod that has the
// new value.
func (m *measurement) measureRotation(t *testing.T, apps []measuredApp) {
	t.Helper()
	var took [2][]time.Duration
	for i, a := range apps {
		rotated := parameterTier()
		rotated["API_KEY"] = canary.Value("rotated-" + strconv.Itoa(i))
		m.ssm.putJSON(t, a.Parameter, rotated)
		start := time.Now()
		m.readyPod(t, a, "API_KEY", rotated["API_KEY"])
		way := 1
		if a.ByHand {
			way = 0
		}
		took[way] = append(took[way], time.Since(start))
	}
	m.row("put-parameter, to the new pod that has the new value", "s", time.Second, took[0], took[1])
}
