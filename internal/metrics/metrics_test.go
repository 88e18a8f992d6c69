package metrics_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/metrics"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// counting is a registry that knows how many collectors it was given.
type counting struct {
	*prometheus.Registry
	registered int
}

func (c *counting) MustRegister(collectors ...prometheus.Collector) {
	c.registered += len(collectors)
	c.Registry.MustRegister(collectors...)
}

// used returns a registry in which every metric has a series.
func used(t *testing.T) *counting {
	t.Helper()
	reg := &counting{Registry: prometheus.NewPedanticRegistry()}
	m := metrics.New(reg)
	m.Admission(metrics.WebhookPods, graft.StatusInjected, graft.ReasonInjected, 3*time.Millisecond)
	m.Warning(graft.WarnShadowedKey)
	m.Notice(metrics.NoticeWritten)
	m.ParameterLookup(metrics.SourceSSM, graft.ParameterFound)
	m.ParameterCache(metrics.CacheHit)
	m.SSMRequest(graft.ParameterFound, 20*time.Millisecond)
	m.SSMBudgetExhausted()
	m.NamespaceLimited(metrics.NamespaceShare)
	m.SSMVersionRequest(graft.ParameterFound)
	m.ConfigMapLookup(graft.ConfigMapFound)
	m.SetExternalSecrets(map[externalsecret.State]int{externalsecret.StateReady: 2})
	m.SetESOInstalled(true)
	m.SetESOHeld(metrics.HeldStores, 2, 900)
	m.ForceSync()
	m.SetHeld("pods", 3, 2000)
	m.Restart()
	m.SSMEvent("checked")
	m.SSMEventLag(time.Second)
	m.SetEventQueueUp(true)
	m.SetCertificateExpiry(time.Unix(1700000000, 0))
	m.SetBuildInfo("v0.0.0-test")
	m.ReviewRefused(metrics.RefusalSlow)
	m.ConnectionClosed(metrics.PortMetrics)
	return reg
}

func TestLint(t *testing.T) {
	families, err := used(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The table of docs/metrics.md stands between these lines.
const (
	documentation = "../../docs/metrics.md"
	tableBegin    = "<!-- begin: go test ./internal/metrics -update -->\n"
	tableEnd      = "<!-- end -->\n"
)

// TestDocumentation pins name, type, labels and help of every metric: dashboards
// and alert rules are checked against the table.
func TestDocumentation(t *testing.T) {
	reg := used(t)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) != reg.registered {
		t.Errorf("%d metrics are registered, but only %d have a series: use the new one in used()", reg.registered, len(families))
	}
	var table strings.Builder
	table.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}

	data, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(data), tableBegin)
	documented, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		t.Fatalf("%s has no table between %q and %q", documentation, tableBegin, tableEnd)
	}
	if *update {
		documented = table.String()
		if err := os.WriteFile(documentation, []byte(before+tableBegin+documented+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(table.String(), documented); diff != "" {
		t.Errorf("%s (go test ./internal/metrics -update): -metrics, +documented:\n%s", documentation, diff)
	}
}

// TestHistograms holds each histogram to both kinds: a Prometheus that scrapes
// native ones does not keep the classic, and an older one knows no other.
func TestHistograms(t *testing.T) {
	families, err := used(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			h := m.GetHistogram()
			if h == nil {
				continue
			}
			found++
			if len(h.GetBucket()) == 0 || len(h.GetPositiveSpan()) == 0 {
				t.Errorf("%s has %d classic buckets and %d native spans, want both", f.GetName(), len(h.GetBucket()), len(h.GetPositiveSpan()))
			}
		}
	}
	if found == 0 {
		t.Error("no histogram was looked at")
	}
}

// TestSeriesBeforeTheFirst wants the series that alerts count by there from the
// start: a rate sees no increase in a series that begins with 1.
func TestSeriesBeforeTheFirst(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics.New(reg)
	for name, want := range map[string]int{
		"envgraft_warnings_total":   len(graft.Warnings()),
		"envgraft_admissions_total": len(graft.Refusals()) + 1,
	} {
		got, err := testutil.GatherAndCount(reg, name)
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s starts with %d series, want %d", name, got, want)
		}
	}
}

// TestLabels holds labels to those that do not grow with the cluster.
func TestLabels(t *testing.T) {
	allowed := map[string]bool{
		"webhook": true, "status": true, "reason": true, "source": true, "state": true,
		"outcome": true, "result": true, "port": true, "resource": true, "version": true, "goversion": true,
	}
	families, err := used(t).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !allowed[l.GetName()] {
					t.Errorf("%s has label %q: is its set of values closed and small?", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestValues(t *testing.T) {
	reg := used(t)
	want := `# HELP envgraft_external_secrets Apps by the state of their ExternalSecret: Ready, Pending (ESO has not answered yet), Failing (ESO cannot sync it), Unanswered (ESO was asked in vain to refresh it, so its Secret lacks what SSM has), Deleting (it is being deleted), NoStore (its store is not there), NotInstalled (the cluster has no ESO), Foreign (made by someone else, left alone). Only the leader sets it.
# TYPE envgraft_external_secrets gauge
envgraft_external_secrets{state="Deleting"} 0
envgraft_external_secrets{state="Failing"} 0
envgraft_external_secrets{state="Foreign"} 0
envgraft_external_secrets{state="NoStore"} 0
envgraft_external_secrets{state="NotInstalled"} 0
envgraft_external_secrets{state="Pending"} 0
envgraft_external_secrets{state="Ready"} 2
envgraft_external_secrets{state="Unanswered"} 0
# HELP envgraft_serving_certificate_expiry_timestamp_seconds When the certificate that this replica serves expires, in seconds since 1970; 0 until it has one. API servers call a webhook with an expired certificate no more.
# TYPE envgraft_serving_certificate_expiry_timestamp_seconds gauge
envgraft_serving_certificate_expiry_timestamp_seconds 1.7e+09
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"envgraft_external_secrets", "envgraft_serving_certificate_expiry_timestamp_seconds"); err != nil {
		t.Error(err)
	}
}

func TestNewTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New registered every metric twice without a word")
		}
	}()
	reg := prometheus.NewRegistry()
	metrics.New(reg)
	metrics.New(reg)
}
