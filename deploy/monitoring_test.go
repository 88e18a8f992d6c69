package deploy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
	"github.com/envgraft/envgraft/internal/restarts"
	"github.com/envgraft/envgraft/internal/staleness"
)

// row is a metric in a table of docs/metrics.md.
var row = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| (.*?) \\|")

// labelsOf reads docs/metrics.md, which tests of internal/metrics compare with
// the code: labels by metric.
func labelsOf(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		names := strings.Split(strings.ReplaceAll(m[3], "`", ""), ", ")
		all[m[1]] = names
		if m[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				all[m[1]+suffix] = append(slices.Clone(names), "le")
			}
		}
	}
	return all
}

// labelValues are those that rules and panels choose by.
func labelValues() map[string]bool {
	all := map[string]bool{
		string(metrics.WebhookPods): true, string(metrics.WebhookWorkloads): true,
		string(graft.StatusInjected): true, string(graft.StatusDenied): true, string(graft.StatusSkipped): true,
		string(graft.ReasonNoApp): true, string(graft.WarnUncheckedLiterals): true, string(graft.WarnShadowedKey): true,
		api.Lease: true, ".*[.]envgraft[.]dev": true, ".*envgraft.*": true, "calling_webhook_error": true,
		string(graft.ParameterAccessDenied): true, string(graft.ParameterThrottled): true, string(graft.ParameterUnreachable): true,
	}
	for _, state := range externalsecret.States() {
		all[string(state)] = true
	}
	for _, reason := range staleness.Reasons() {
		all[string(reason)] = true
	}
	for _, reason := range restarts.Reasons() {
		all[string(reason)] = true
	}
	return all
}

var (
	use     = regexp.MustCompile(`\b((?:envgraft|apiserver|leader_election|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
)

// ofTarget are labels that Prometheus gives every series of a target.
var ofTarget = map[string]bool{"cluster": true, "namespace": true, "job": true}

// checkExpression finds metrics, labels and values that are not there: a rule
// on one is no error to Prometheus, it only never fires.
func checkExpression(t *testing.T, where, expression string) (used []string) {
	t.Helper()
	known, values := labelsOf(t), labelValues()
	for _, m := range use.FindAllStringSubmatch(expression, -1) {
		used = append(used, m[1])
		names, ok := known[m[1]]
		if !ok {
			t.Errorf("%s: internal/metrics has no metric %s", where, m[1])
		}
		for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
			if ofTarget[label[1]] && label[2] == "$"+label[1] {
				continue // chosen on top of the dashboard
			}
			if !slices.Contains(names, label[1]) {
				t.Errorf("%s: metric %s has no label %s", where, m[1], label[1])
			}
			for value := range strings.SplitSeq(label[2], "|") {
				if !values[value] {
					t.Errorf("%s: label %s of metric %s is never %q", where, label[1], m[1], value)
				}
			}
		}
	}
	if len(used) == 0 {
		t.Errorf("%s: no metric of envgraft in %q", where, expression)
	}
	return used
}

func TestAlerts(t *testing.T) {
	for _, rule := range alerts(t) {
		checkExpression(t, "alert "+rule.Alert, rule.Expr)
		for _, key := range []string{rule.For, rule.Labels["severity"], rule.Annotations["summary"], rule.Annotations["description"]} {
			if key == "" {
				t.Errorf("alert %s lacks for, severity, summary or description", rule.Alert)
			}
		}
	}
}

func TestDashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "chart/files/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			for _, name := range checkExpression(t, fmt.Sprintf("panel %q", panel.Title), target.Expr) {
				if strings.HasPrefix(name, "envgraft_") {
					used[strings.TrimSuffix(name, "_bucket")] = true
				}
			}
		}
	}
	var want []string
	for name := range labelsOf(t) {
		if strings.HasPrefix(name, "envgraft_") && !strings.HasSuffix(name, "_bucket") && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") {
			want = append(want, name)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(used))); diff != "" {
		t.Errorf("metrics on the dashboard: -internal/metrics, +dashboard:\n%s", diff)
	}
}

// TestDashboardIsInstalled compares what Grafana's sidecar is given.
func TestDashboardIsInstalled(t *testing.T) {
	out := template(t, "--values", "testdata/values/minimal.yaml", "--set", "grafanaDashboard.enabled=true", "--show-only", "templates/monitoring.yaml")
	var object struct{ Data map[string]string }
	if err := yaml.Unmarshal([]byte(strings.TrimPrefix(out, "---\n")), &object); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(read(t, "chart/files/dashboard.json")), strings.TrimSpace(object.Data["envgraft.json"])); diff != "" {
		t.Errorf("-file, +ConfigMap:\n%s", diff)
	}
}
