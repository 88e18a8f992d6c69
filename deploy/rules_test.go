package deploy_test

import (
	"context"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/test/prometheus"
)

// alert is a rule of chart/files/alerts.yaml.
type alert struct {
	Alert, Expr, For    string
	KeepFiringFor       string `json:"keep_firing_for"` //nolint:tagliatelle // Prometheus'
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, "chart/files/alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	var all []alert
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// promtoolProgram builds promtool once: to see that nothing has changed takes the
// Go command seconds.
var promtoolProgram = sync.OnceValues(func() (string, error) {
	return prometheus.Build(context.Background(), "..", "promtool")
})

// TestRules has Prometheus' own promtool parse the rules, and evaluate them on
// the series of testdata/alerts_test.yaml.
func TestRules(t *testing.T) {
	promtool, err := promtoolProgram()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", "chart/files/alerts.yaml"},
		{"test", "rules", "testdata/alerts_test.yaml"},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestEveryAlertIsTested wants input series for each alert on which it fires,
// and some on which it must not.
func TestEveryAlertIsTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Expectations []struct {
				Expr    string
				Samples []struct{ Value float64 } `json:"exp_samples"` //nolint:tagliatelle // promtool's
			} `json:"promql_expr_test"` //nolint:tagliatelle // promtool's
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "testdata/alerts_test.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, e := range test.Expectations {
			_, rest, _ := strings.Cut(e.Expr, `alertname="`)
			name, _, _ := strings.Cut(rest, `"`)
			fires[name] = fires[name] || e.Samples[0].Value > 0
			silent[name] = silent[name] || e.Samples[0].Value == 0
		}
	}
	for _, rule := range alerts(t) {
		if !fires[rule.Alert] || !silent[rule.Alert] {
			t.Errorf("alert %s: testdata/alerts_test.yaml has it fire: %t, and stay silent: %t; want both", rule.Alert, fires[rule.Alert], silent[rule.Alert])
		}
		if strings.Contains(rule.Expr, "absent") {
			t.Errorf("alert %s rests on absent(), which never fires where one Prometheus watches many clusters", rule.Alert)
		}
	}
}

const (
	runbook       = "../docs/operations.md"
	runbookURL    = "https://github.com/envgraft/envgraft/blob/main/docs/operations.md#"
	runbookPrefix = "\n### Envgraft"
)

// TestRunbook wants a section for each alert, and an alert for each section.
func TestRunbook(t *testing.T) {
	sections := map[string]bool{}
	for _, part := range strings.Split(read(t, runbook), runbookPrefix)[1:] {
		name, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n#")
		sections["Envgraft"+name] = true
		for _, step := range []string{"**Symptom**", "**Confirm**", "**Mitigate**", "**Fix**"} {
			if !strings.Contains(text, step) {
				t.Errorf("%s: section Envgraft%s lacks %s", runbook, name, step)
			}
		}
	}
	for _, rule := range alerts(t) {
		if want := runbookURL + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
			t.Errorf("alert %s: runbook_url is %q, want %q", rule.Alert, rule.Annotations["runbook_url"], want)
		}
		if !sections[rule.Alert] {
			t.Errorf("alert %s has no section %q in %s", rule.Alert, "### "+rule.Alert, runbook)
		}
		delete(sections, rule.Alert)
	}
	for name := range sections {
		t.Errorf("%s has a section for %s, which is no alert", runbook, name)
	}
}
