package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/cli"
	"github.com/envgraft/envgraft/internal/cli/cmdutil"
	"github.com/envgraft/envgraft/test/prometheus"
)

// TestPrometheus has a Prometheus server scrape an API server and a replica
// under load: every query of the dashboard, and everything that a rule selects,
// must have data.
func TestPrometheus(t *testing.T) {
	b := start(t)
	program, err := prometheus.Build(t.Context(), "../..", "prometheus")
	if err != nil {
		t.Fatal(err)
	}
	r := b.secondReplica(t)
	ctx, cancel := context.WithCancel(context.Background())
	dir := t.TempDir()
	server, stopped, err := prometheus.Start(ctx, program, b.scrapeConfiguration(t, r.metrics), filepath.Join(dir, "data"))
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
	if err != nil {
		t.Fatal(err)
	}
	namespace := b.namespace(t, map[string]string{api.LabelInject: api.Enabled})
	broken := b.brokenWebhooks(t)

	open := append(dashboardQueries(t), ruleSelectors(t)...)
	for deadline := time.Now().Add(2 * time.Minute); len(open) > 0; {
		b.load(t, r, namespace, broken)
		var still []string
		for _, query := range open {
			series, err := server.Query(t.Context(), query)
			if err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			if series == 0 {
				still = append(still, query)
			}
		}
		if open = still; len(open) > 0 && time.Now().After(deadline) {
			t.Fatalf("no data after two minutes of load:\n%s", strings.Join(open, "\n"))
		}
	}
	rules, err := server.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(rules) == 0 {
		t.Error("no rule was evaluated")
	}
	for _, rule := range rules {
		if rule.Health != "ok" {
			t.Errorf("rule %s is %q: %s", rule.Name, rule.Health, rule.LastError)
		}
	}
}

// observed is a further server beside the bench's.
type observed struct{ webhooks, metrics string }

// secondReplica runs one that leads: the bench's has no controller.
func (b *bench) secondReplica(t *testing.T) observed {
	t.Helper()
	dir := b.env.WebhookInstallOptions.LocalServingCertDir
	listen, metrics := freeAddress(t), freeAddress(t)
	configuration := fmt.Sprintf(`apiVersion: config.envgraft.dev/v1alpha1
kind: Configuration
environment: stage
aws: {region: eu-central-1, ssmEndpoint: %q}
server:
  listen: %q
  metricsListen: %q
  healthListen: 127.0.0.1:0
  drainDelay: 0s
  certificates: {certFile: %q, keyFile: %q}
`, b.ssmHTTP.URL, listen, metrics, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log, stopped := &syncBuffer{}, make(chan error, 1)
	go func() {
		command := cli.New(cmdutil.Streams{In: strings.NewReader(""), Out: log, Err: log})
		command.SetArgs([]string{"serve", "--config", file})
		stopped <- command.ExecuteContext(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the second replica: %v; its log:\n%s", err, log)
		}
	})
	return observed{webhooks: "https://" + listen, metrics: metrics}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // only its port was wanted
	return listener.Addr().String()
}

// scrapeConfiguration writes what Prometheus scrapes, and which rules it knows.
func (b *bench) scrapeConfiguration(t *testing.T, metrics string) string {
	t.Helper()
	user, err := b.env.AddUser(envtest.User{Name: "prometheus", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, tls := t.TempDir(), user.Config().TLSClientConfig
	for name, data := range map[string][]byte{"ca.crt": tls.CAData, "tls.crt": tls.CertData, "tls.key": tls.KeyData} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rules, err := filepath.Abs("../../deploy/chart/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Both kinds of histograms, so that either side of an "or" can be asked for.
	configuration := fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s, scrape_native_histograms: true, always_scrape_classic_histograms: true}
rule_files: [%q]
scrape_configs:
- job_name: envgraft-metrics
  static_configs: [{targets: [%q]}]
- job_name: apiserver
  scheme: https
  tls_config: {ca_file: ca.crt, cert_file: tls.crt, key_file: tls.key}
  static_configs: [{targets: [%q]}]
`, rules, metrics, strings.Trim(strings.TrimPrefix(user.Config().Host, "https://"), "/"))
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// chosen stands for what Grafana puts in place of variables: its interval is four
// scrape intervals, and more; All is ".*".
var chosen = strings.NewReplacer("$__rate_interval", "15s", "$cluster", ".*", "$namespace", ".*", "$job", ".*")

// dashboardQueries returns those of every panel; of "x or y" both.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/chart/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			if strings.Contains(target.Expr, "envgraft_event_queue_up") || strings.Contains(target.Expr, "envgraft_events_total") {
				continue // no queue is configured here, and these series begin with its first poll
			}
			expression := chosen.Replace(target.Expr)
			all = append(all, strings.Split(expression, " or ")...)
		}
	}
	if len(all) == 0 {
		t.Fatal("the dashboard has no query")
	}
	return all
}

var (
	alertExpression = regexp.MustCompile(`(?ms)^ +expr: (.*?)^ +for:`)
	selector        = regexp.MustCompile(`(?s)\b((?:envgraft|apiserver|leader_election)_\w+|up)(?:\{.*?\})?`)
)

// ruleSelectors returns what the rules select. Their conditions should not hold.
func ruleSelectors(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../deploy/chart/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, expression := range alertExpression.FindAllStringSubmatch(string(data), -1) {
		for _, selected := range selector.FindAllString(expression[1], -1) {
			if selected != "envgraft_event_queue_up" { // as above
				all = append(all, selected)
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("the alerts select nothing")
	}
	return all
}

// brokenWebhooks returns a namespace whose API server calls envgraft's webhooks
// at a port where nobody answers.
func (b *bench) brokenWebhooks(t *testing.T) string {
	t.Helper()
	namespace := b.namespace(t, nil)
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "broken-" + namespace}}
	for name, webhook := range map[string]struct {
		policy admissionregistrationv1.FailurePolicyType
		rule   admissionregistrationv1.Rule
	}{
		"pod.pods.envgraft.dev": {
			admissionregistrationv1.Fail,
			admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
		},
		"workload.workloads.envgraft.dev": {
			admissionregistrationv1.Ignore,
			admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
		},
	} {
		configuration.Webhooks = append(configuration.Webhooks, admissionregistrationv1.MutatingWebhook{
			Name: name, FailurePolicy: &webhook.policy, SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone),
			AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: ptr.To[int32](1),
			ClientConfig:      admissionregistrationv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create}, Rule: webhook.rule,
			}},
		})
	}
	b.create(t, configuration)
	t.Cleanup(func() {
		if err := b.client.Delete(context.Background(), configuration); err != nil {
			t.Error(err)
		}
	})
	return namespace
}

// load has a handful of objects reviewed: by the API server, by the replica
// itself, and where nobody answers.
func (b *bench) load(t *testing.T, r observed, namespace, broken string) {
	t.Helper()
	for _, in := range []string{namespace, broken} {
		_ = b.client.Create(t.Context(), loadPod(in)) // fails where the webhook is broken
		_ = b.client.Create(t.Context(), loadDeployment(in))
	}
	for path, kind := range map[string]string{
		api.PodsWebhook:      `"kind":{"version":"v1","kind":"Pod"},"resource":{"version":"v1","resource":"pods"}`,
		api.WorkloadsWebhook: `"kind":{"group":"apps","version":"v1","kind":"Deployment"},"resource":{"group":"apps","version":"v1","resource":"deployments"}`,
	} {
		var object any = loadPod(namespace)
		if path == api.WorkloadsWebhook {
			object = loadDeployment(namespace)
		}
		raw, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		review := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1",%s,"operation":"CREATE","namespace":%q,"object":%s}}`,
			kind, namespace, raw)
		response, err := b.http.Post(r.webhooks+path, "application/json", strings.NewReader(review))
		if err != nil {
			continue // it is starting
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func loadPod(namespace string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "load-", Namespace: namespace, Labels: map[string]string{api.LabelName: "load"}},
		Spec:       loadSpec(),
	}
}

func loadDeployment(namespace string) *appsv1.Deployment {
	labels := map[string]string{api.LabelName: "load"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "load-", Namespace: namespace},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: loadSpec()},
		},
	}
}

func loadSpec() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app", Env: []corev1.EnvVar{{Name: "DEBUG", Value: "1"}}}}}
}
